// Crypto compares what postern does to the packets of ESP with what OpenSSL does, on one core: whole packets by suite, and
// ciphers and MACs alone, in every tier that this CPU has. `make bench-crypto` runs it.
//
// All operations run in each round, in slices of 2 ms of CPU time of the thread, one after the other in an order that
// turns; a ratio is taken of two slices of one round, and the result is the median of the rounds. First everything is
// checked: what one side seals the other opens. Neither side pays for the IVs of OpenSSL, which stand there already.
package main

import (
	"crypto"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"postern/packaging/bench/figures"
	"postern/tun/esp"
	"postern/tun/esp/lanes"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench-crypto:", err)
		os.Exit(1)
	}
}

func run() error {
	rounds := flag.Int("rounds", 31, "how often everything is measured")
	out := flag.String("out", "", "write the table and the ratios into this `folder`")
	commit := flag.String("commit", "", "what is measured")
	flag.Parse()
	if err := openSSLReady(); err != nil {
		return err
	}
	operations, err := allOperations()
	if err != nil {
		return err
	}
	debug.SetGCPercent(-1) // nothing allocates; a collection would be the harness's own
	runtime.LockOSThread()
	m, err := measure(operations, *rounds)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s; %s. Rounds: %d.\n%s", figures.Describe(*commit), openSSLVersion(), *rounds, m.tables())
	fmt.Println(text)
	if *out == "" {
		return nil
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(*out, "crypto.md"), []byte("# What `make bench-crypto` measured\n\n"+text), 0o644),
		m.mergeRatios(filepath.Join(*out, "ratios.json")),
	)
}

func allOperations() (all []operation, err error) {
	add := func(more []operation, failed error) {
		all, err = append(all, more...), errors.Join(err, failed)
	}
	for _, s := range suites {
		add(suiteOperations(s))
	}
	add(cbcOperations(esp.Suite{Encryption: esp.AES, KeyBits: 128, Integrity: esp.HMACSHA1}, "aes128-cbc", lanes.NewAES))
	add(cbcOperations(esp.Suite{Encryption: esp.AES, KeyBits: 256, Integrity: esp.HMACSHA1}, "aes256-cbc", lanes.NewAES))
	add(cbcOperations(esp.Suite{Encryption: esp.DES, Integrity: esp.HMACSHA1}, "des-cbc", lanes.NewDES))
	add(cbcOperations(esp.Suite{Encryption: esp.TripleDES, Integrity: esp.HMACSHA1}, "3des-cbc", lanes.NewTripleDES))
	add(macOperations(esp.HMACMD5, crypto.MD5))
	add(macOperations(esp.HMACSHA1, crypto.SHA1))
	add(macOperations(esp.HMACSHA256, crypto.SHA256))
	return all, err
}
