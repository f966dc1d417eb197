package tun

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"
)

// segment builds a TCP segment.
func segment(src, dst string, seq, ack uint32, flags byte, size int) []byte {
	tcp := binary.BigEndian.AppendUint16(nil, 1234)
	tcp = binary.BigEndian.AppendUint16(tcp, 80)
	if dst == "10.9.0.2" {
		tcp = append(tcp[2:4:4], tcp[:2]...)
	}
	tcp = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(tcp, seq), ack)
	tcp = append(tcp, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	return withDF(ipPacket(src, dst, protoTCP, append(tcp, make([]byte, size)...)))
}

// TestBlackHole plays a connection whose large segments may vanish. Steps are times in
// milliseconds at which something is sent or received.
func TestBlackHole(t *testing.T) {
	const here, there = "10.9.0.2", "10.20.0.1"
	type step struct {
		at     int // ms
		out    []byte
		in     []byte
		heard  bool
		setMTU int
	}
	data := func(at int, seq uint32, size int) step {
		return step{at: at, out: segment(here, there, seq, 1, tcpACK, size)}
	}
	ack := func(at int, ack uint32) step { return step{at: at, in: segment(there, here, 1, ack, tcpACK, 0)} }
	other := func(at int) step { return step{at: at, in: udpPacket(there+":53", here+":7777", []byte("answer"))} }
	for _, test := range []struct {
		name  string
		steps []step
		want  int // alarms
	}{
		{"vanishes", []step{data(0, 1000, 1360), data(200, 1000, 1360), other(300), data(600, 1000, 1360), data(1400, 1000, 1360)}, 1},
		{"and goes on to", []step{
			data(0, 1000, 1360), data(200, 1000, 1360), other(300), data(600, 1000, 1360), data(1400, 1000, 1360), data(3000, 1000, 1360), data(6200, 1000, 1360),
			data(12600, 1000, 1360), data(25000, 1000, 1360), other(26000),
		}, 1},
		{"also with the next MTU", []step{
			data(0, 1000, 1360), data(200, 1000, 1360), other(300), data(600, 1000, 1360), data(1400, 1000, 1360),
			{at: 1401, setMTU: 1300},
			data(1402, 1000, 1260), data(1800, 1000, 1260), other(1900), data(2600, 1000, 1260), data(4000, 1000, 1260),
		}, 2},
		{"the gateway answers a probe", []step{data(0, 1000, 1360), data(200, 1000, 1360), data(600, 1000, 1360), {at: 700, heard: true}, data(1400, 1000, 1360)}, 1},
		{"nothing is heard of the gateway", []step{data(0, 1000, 1360), data(200, 1000, 1360), data(600, 1000, 1360), data(1400, 1000, 1360), data(3000, 1000, 1360)}, 0},
		{"heard of before only", []step{other(0), data(10, 1000, 1360), data(200, 1000, 1360), data(600, 1000, 1360), data(1400, 1000, 1360)}, 0},
		{"heard of at last", []step{data(0, 1000, 1360), data(200, 1000, 1360), data(600, 1000, 1360), data(1400, 1000, 1360), other(1500), data(3000, 1000, 1360)}, 1},
		{"lost twice, then acknowledged", []step{
			data(0, 1000, 1360), data(200, 1000, 1360), data(600, 1000, 1360), ack(700, 2360), data(800, 2360, 1360), data(1400, 2360, 1360), data(1800, 2360, 1360),
		}, 0},
		{"acknowledged in part", []step{data(0, 1000, 1360), data(200, 1000, 1360), ack(300, 1500), data(600, 1000, 1360), data(1400, 1000, 1360)}, 1},
		{"small segments", []step{data(0, 1000, 1000), data(200, 1000, 1000), other(300), data(600, 1000, 1000), data(1400, 1000, 1000), data(3000, 1000, 1000)}, 0},
		{"all at once", []step{data(0, 1000, 1360), data(10, 1000, 1360), other(15), data(20, 1000, 1360), data(30, 1000, 1360), data(40, 1000, 1360)}, 0},
		{"retransmission begins before what was seen first", []step{
			data(0, 3720, 1360), data(200, 1000, 1360), other(300), data(600, 1000, 1360), data(1400, 1000, 1360),
		}, 1},
		{"new data isn't old", []step{data(0, 1000, 1360), data(400, 2360, 1360), other(500), data(800, 3720, 1360), data(1200, 5080, 1360), data(1600, 6440, 1360)}, 0},
		{"sequence numbers wrap", []step{
			data(0, 0xffffff00, 1360), data(200, 0xffffff00, 1360), ack(300, 1104), data(600, 0xffffff00, 1360), data(1400, 0xffffff00, 1360), data(3000, 0xffffff00, 1360),
		}, 0},
		{"reset", []step{
			data(0, 1000, 1360), data(200, 1000, 1360), data(600, 1000, 1360), {at: 700, in: segment(there, here, 1, 1, tcpRST, 0)}, data(1400, 1000, 1360),
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				alarms := 0
				l.client.OnBlackHole(func() { alarms++ })
				l.join(t, 1, 2)
				start := time.Now()
				for _, s := range test.steps {
					time.Sleep(time.Until(start.Add(time.Duration(s.at) * time.Millisecond)))
					switch {
					case s.out != nil:
						l.clientDev.Inject(s.out)
					case s.in != nil:
						l.gatewayDev.Inject(s.in)
					case s.heard:
						l.client.Heard()
					default:
						l.client.SetMTU(s.setMTU)
					}
					synctest.Wait()
				}
				if alarms != test.want {
					t.Errorf("%d alarms, want %d", alarms, test.want)
				}
				if test.want == 0 && alarms == 0 && l.client.Stats().Out.Packets == 0 {
					t.Error("nothing was sent")
				}
			})
		})
	}
}
