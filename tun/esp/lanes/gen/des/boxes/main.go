// Boxes writes des_boxes.go of package lanes.
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
	out := flag.String("out", "..", "folder to write to")
	flag.Parse()
	text, err := des.Source()
	if err == nil {
		err = os.WriteFile(filepath.Join(*out, "des_boxes.go"), text, 0o644)
	}
	if err != nil {
		log.Fatalf("boxes: %v", err)
	}
}
