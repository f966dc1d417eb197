// Boxes writes the Go files of package lanes that follow from the tables of DES.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"

	"postern/tun/esp/lanes/gen/des"
)

func main() {
	log.SetFlags(0)
	to := flag.String("to", "..", "folder to write to")
	flag.Parse()
	for name, source := range des.Sources {
		text, err := source()
		if err == nil {
			err = os.WriteFile(filepath.Join(*to, name), text, 0o644)
		}
		if err != nil {
			log.Fatalf("boxes: %s: %v", name, err)
		}
	}
}
