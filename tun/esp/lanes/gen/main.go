// Gen writes the assembly of package lanes, and the Go code that follows from the
// tables of DES. Each kernel has a file here and one there: `go run . -to ..`
// writes them all.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"

	"postern/tun/esp/lanes/gen/des"
)

// kernels are the files, NAME_amd64.s each, and what writes their functions.
var kernels = []struct {
	name  string
	write func(*build.Context)
}{
	{"md5", md5},
	{"sha1", sha1},
	{"sha256", sha256},
	{"aes", aes},
	{"des_avx512", desWide},
	{"des_avx2", desSliced},
	{"des_octets", desOctets},
}

func main() {
	log.SetFlags(0)
	folder := flag.String("to", "..", "folder to write to")
	flag.Parse()
	for _, k := range kernels {
		text, err := assemble(k.write)
		write(filepath.Join(*folder, k.name+"_amd64.s"), text, err)
	}
	for name, source := range des.Sources {
		text, err := source()
		write(filepath.Join(*folder, name), text, err)
	}
}

// write writes a file, if it could be made.
func write(name string, text []byte, err error) {
	if err == nil {
		err = os.WriteFile(name, text, 0o644)
	}
	if err != nil {
		log.Fatalf("gen: %s: %v", filepath.Base(name), err)
	}
}

// assemble returns the text of one file.
func assemble(write func(*build.Context)) ([]byte, error) {
	c := build.NewContext()
	write(c)
	file, err := c.Result()
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	if err := pass.Compile.Execute(file); err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	text, err := printer.NewGoAsm(printer.Config{Argv: []string{"go", "generate"}, Name: "gen", Pkg: "lanes"}).Print(file)
	return append(bytes.TrimRight(text, "\n"), '\n'), err
}
