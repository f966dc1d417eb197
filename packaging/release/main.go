// Command release makes what a release consists of, in a folder: the programs for each system, in archives and in
// packages, a bill of materials, checksums, and a signature of these when a key is given.
//
// The same commit makes the same octets: times are the commit's, paths are cut off, and nothing names the machine. What
// can't be made here is left out, with a line that says why.
//
// main.go has the order, build.go the programs, stage.go the files that are put beside them, archive.go and packages.go
// what holds them, windows.go signatures and installer for Windows, licences.go what the dependencies demand, sign.go checksums and signature.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	var r release
	flag.StringVar(&r.out, "o", "dist", "the `folder` to make; what it held is removed")
	flag.StringVar(&r.only, "only", "", "make the deb, the `packages` of all formats, or the archives of this machine's architecture alone, without a bill of materials: for tests")
	flag.StringVar(&r.version, "version", "", "a `version` of digits and dots in place of the commit's, for tests of upgrades")
	flag.StringVar(&r.key, "key", os.Getenv("MINISIGN_KEY"), "a `file` with a minisign key to sign the checksums with ($MINISIGN_KEY)")
	flag.StringVar(&r.password, "key-password", os.Getenv("MINISIGN_PASSWORD_FILE"), "a `file` with the key's password ($MINISIGN_PASSWORD_FILE)")
	flag.StringVar(&r.codeKey, "code-key", os.Getenv("AUTHENTICODE_KEY"), "a `file` with the key to sign programs for Windows with, PEM ($AUTHENTICODE_KEY)")
	flag.StringVar(&r.codeCertificate, "code-certificate", os.Getenv("AUTHENTICODE_CERT"), "a `file` with its certificates, PEM ($AUTHENTICODE_CERT)")
	flag.BoolVar(&r.noGUI, "no-gui", false, "leave the window out, which takes minutes to build")
	list := flag.Bool("licences", false, "only list the dependencies with their licences, and check these")
	flag.Parse()
	var err error
	if *list {
		err = printLicences(os.Stdout)
	} else {
		err = r.make()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is one run.
type release struct {
	out, only       string
	version         string // of packages: digits and dots, which all formats order alike
	full            string // what the programs call themselves
	epoch           int64  // the commit's time, in seconds
	key, password   string
	codeKey         string // of Authenticode's signatures, with its certificates
	codeCertificate string
	tools           string // where tools are installed
	noGUI           bool
	gui             string // the window's program, "" where it can't be built
}

// make makes everything, from the root of the module.
func (r *release) make() error {
	if _, err := os.Stat("go.mod"); err != nil {
		return errors.New("it is run in the root of the module: go run ./packaging/release")
	}
	if err := r.stamp(); err != nil {
		return err
	}
	var err error
	if r.out, err = filepath.Abs(r.out); err != nil {
		return err
	}
	if err := r.clear(); err != nil {
		return err
	}
	work := filepath.Join(r.out, ".work")
	defer os.RemoveAll(work)
	r.tools = filepath.Join(work, "tools")
	fmt.Println("version", r.full)
	for _, step := range []func(work string) error{r.build, r.authenticode, r.stage, r.archives, r.packages, r.installer, r.bill, r.checksums} {
		if err := step(work); err != nil {
			return err
		}
	}
	return nil
}

// clear empties the folder, if it is one of ours: it holds nothing, or checksums.
func (r *release) clear() error {
	entries, err := os.ReadDir(r.out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		_, sums := os.Stat(filepath.Join(r.out, checksumsName))
		_, work := os.Stat(filepath.Join(r.out, ".work"))
		if sums != nil && work != nil {
			return fmt.Errorf("%s holds something else than a release; remove it yourself", r.out)
		}
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	return os.MkdirAll(filepath.Join(r.out, ".work"), 0o755)
}

// run runs a program and returns what it printed. Environment variables come first, as NAME=VALUE.
func run(dir string, words ...string) (string, error) {
	env := os.Environ()
	for len(words) > 0 && strings.Contains(words[0], "=") {
		env, words = append(env, words[0]), words[1:]
	}
	c := exec.Command(words[0], words[1:]...)
	c.Dir, c.Env = dir, env
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		said := strings.TrimSpace(string(out) + errs.String()) // nfpm complains to its standard output
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(words, " "), err, said)
	}
	return strings.TrimSpace(string(out)), nil
}
