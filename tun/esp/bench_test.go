package esp

import (
	"slices"
	"testing"

	"postern/tun/esp/lanes"
)

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

// benchmarkBatch is how many packets a read of the TUN device usually gives.
const benchmarkBatch = 44

// BenchmarkBatch seals a batch, and opens one, in each tier. A packet has 1408
// encrypted octets.
func BenchmarkBatch(b *testing.B) {
	for _, tier := range []lanes.Tier{lanes.Pure, lanes.AVX2, lanes.AVX512} {
		for _, s := range suites {
			if s.KeyBits == 192 {
				continue
			}
			b.Run("seal/"+s.String()+"/"+tier.String(), func(b *testing.B) {
				useTier(b, tier)
				o, _ := newPair(b, s)
				packets := benchmarkPackets(o)
				for b.Loop() {
					for i := range packets {
						packets[i] = packets[i][:o.Offset()+len(benchmarkInner)]
					}
					if _, err := o.SealBatch(packets); err != nil {
						b.Fatal(err)
					}
				}
				reportPackets(b)
			})
			b.Run("open/"+s.String()+"/"+tier.String(), func(b *testing.B) {
				useTier(b, tier)
				o, in := newPair(b, s)
				packets := benchmarkPackets(o)
				if _, err := o.SealBatch(packets); err != nil {
					b.Fatal(err)
				}
				received := slices.Concat(packets...)
				opened := make([]Opened, len(packets))
				for b.Loop() {
					for i, p := range packets {
						copy(p, received[i*len(p):])
					}
					in.window.newest = 0
					in.window.ring[0] = 0
					if in.OpenBatch(packets, opened); opened[benchmarkBatch-1].Err != nil {
						b.Fatal(opened[benchmarkBatch-1].Err)
					}
				}
				reportPackets(b)
			})
		}
	}
}

// benchmarkPackets returns a batch for SealBatch.
func benchmarkPackets(o *Outbound) [][]byte {
	packets := make([][]byte, benchmarkBatch)
	for i := range packets {
		packets[i] = append(make([]byte, o.Offset(), 1600), benchmarkInner...)
	}
	return packets
}

// reportPackets adds the time for one packet.
func reportPackets(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchmarkBatch, "ns/packet")
	b.ReportAllocs()
}
