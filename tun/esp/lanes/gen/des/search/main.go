// Search looks for smaller circuits of the boxes of DES: seed by seed, from a
// first one on, it says which seed with which limit gives fewer gates than those
// before it. What it finds goes to seeds.go.
package main

import (
	"flag"
	"fmt"
	"time"

	"postern/tun/esp/lanes/gen/des"
)

func main() {
	andNot := flag.Bool("andnot", false, "with gates for x &^ y")
	seed := flag.Uint64("seed", 1, "the first seed")
	length := flag.Duration("for", time.Minute, "how long")
	flag.Parse()

	limits := [8]int{90, 90, 90, 90, 90, 90, 90, 90}
	for end := time.Now().Add(*length); time.Now().Before(end); *seed++ {
		for b := range limits {
			c, ok := des.Derive(b, *seed, limits[b], *andNot)
			if !ok {
				continue
			}
			gates := len(c.Gates) - 6
			fmt.Printf("box %d: {%d, %d}: %d gates\n", b+1, *seed, limits[b], gates)
			limits[b] = gates - 1
		}
	}
}
