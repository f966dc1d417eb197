package esp

import "testing"

// benchmarkInner has 1408 octets when padding and trailer are added, in every
// suite.
var benchmarkInner = pattern(1406, 0x45)

func BenchmarkSeal(b *testing.B) {
	for _, s := range suites {
		b.Run(s.String(), func(b *testing.B) {
			o, _ := newPair(b, s)
			buffer := make([]byte, 0, 2048)
			b.ReportAllocs()
			b.SetBytes(1408)
			for b.Loop() {
				if _, err := o.Seal(buffer, benchmarkInner, NextIPv4); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen includes a copy of the packet, since Open works in place, and
// an empty window for each.
func BenchmarkOpen(b *testing.B) {
	for _, s := range suites {
		b.Run(s.String(), func(b *testing.B) {
			o, in := newPair(b, s)
			packet := seal(b, o, benchmarkInner, NextIPv4)
			buffer := make([]byte, len(packet))
			b.ReportAllocs()
			b.SetBytes(1408)
			for b.Loop() {
				copy(buffer, packet)
				in.window.newest = 0
				in.window.ring[0] = 0
				if _, _, err := in.Open(buffer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
