//go:build linux

package interop

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/client/concentrator"
	"postern/ike"
	"postern/ike/iketest"
)

// ourFlows are the flows between our own two ends, with their keys.
const ourFlows = "../../ike/testdata/flows"

// Wireshark reads every message of every golden flow, of either end, once it has the key,
// and finds none malformed.
func TestWiresharkReadsFlows(t *testing.T) {
	needPrograms(t, "tshark")
	for _, folder := range []string{flowFolder, ourFlows} {
		files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
		if err != nil || len(files) < 8 {
			t.Fatalf("%d flows in %s: %v", len(files), folder, err)
		}
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
				f, err := iketest.ReadFlow(file)
				if err != nil {
					t.Fatal(err)
				}
				keys := f.Setup["keys"]
				for i := range f.Messages {
					if m := &f.Messages[i]; folder == ourFlows && !m.Sent { // its path is the sender's
						m.Path.Local, m.Path.Remote = m.Path.Remote, m.Path.Local
					}
				}
				if keys == "" {
					var log strings.Builder
					if _, err := replayWith(t, f, ike.NewKeyLog(&log)); err != nil {
						t.Fatal(err)
					}
					keys = strings.TrimSpace(log.String())
				}
				readsFlow(t, f, keys)
			})
		}
	}
}

func readsFlow(t *testing.T, f *iketest.Flow, keys string) {
	dir := t.TempDir()
	capture := filepath.Join(dir, "flow.pcap")
	check(t, os.WriteFile(capture, pcap(f.Messages), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "ikev1_decryption_table"), []byte(keys+"\n"), 0o600))
	packets := dissect(t, capture, dir)
	if len(packets) != len(f.Messages) {
		t.Fatalf("%d messages, and Wireshark sees %d", len(f.Messages), len(packets))
	}
	for i := range packets {
		// A message with a signature has no HASH, but a certificate. And where KE is encrypted, Wireshark lacks
		// the IV of Main Mode's message 5.
		signed := strings.Contains(f.Messages[i].Notation, "SIG_") && strings.Contains(packets[i].protocols, ":x509")
		if signed || i == 4 && strings.Contains(f.Messages[2].Notation, "HASH_I, Ni, KE, IDii") {
			packets[i].hash = "none"
		}
	}
	if found := tally(packets); found["malformed"] > 0 || found["IKE sealed"] > 0 {
		t.Errorf("not read: %v", found)
		for i, p := range packets {
			t.Logf("%d: %s: %+v", i+1, f.Messages[i].Notation, p)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pcap is a capture file of UDP in IPv4 (https://www.ietf.org/archive/id/draft-gharris-opsawg-pcap-01.html).
func pcap(messages []iketest.FlowMessage) []byte {
	const rawIP = 101
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 1<<16)
	b = binary.LittleEndian.AppendUint32(b, rawIP)
	for i, m := range messages {
		from, to := m.Path.Local, m.Path.Remote
		if !m.Sent {
			from, to = to, from
		}
		data := m.Octets
		if m.Path.Marker {
			data = append(make([]byte, 4), data...)
			if to.Port() == 500 { // what a NAT made of it isn't in the flow
				to = netip.AddrPortFrom(to.Addr(), 4500)
			}
		}
		n := uint32(28 + len(data))
		for _, v := range []uint32{uint32(i), 0, n, n} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = append(b, datagram(from, to, data)...)
	}
	return b
}

// datagram is UDP in IPv4, without checksums.
func datagram(from, to netip.AddrPort, data []byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(28+len(data)))
	b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
	for _, v := range []uint16{from.Port(), to.Port(), uint16(8 + len(data)), 0} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return append(b, data...)
}

// needPrograms is need where no root is needed.
func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("POSTERN_REQUIRE_PEERS") == "1" {
			t.Fatalf("%s is missing; remedy: sudo packaging/test-deps", p)
		}
		t.Skipf("%s is missing; remedy: sudo packaging/test-deps", p)
	}
}

const scannedConf = `
[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
Protection = aes256-sha256-modp2048
Protection = 3des-md5-modp1024
[ VPN Group "staff" ]
SharedKey = "4711"
LocalIPNet = 10.20.0.0/24
`

// ike-scan reads the concentrator's answers in both modes, and psk-crack the proof of
// its Aggressive Mode, of which it recovers a short key: why that mode is warned of.
func TestScanned(t *testing.T) {
	needPrograms(t, "ike-scan", "psk-crack")
	cfg, err := concentrator.ParseConfig([]byte(scannedConf), "scanned.conf")
	check(t, err)
	g, err := concentrator.New(cfg, concentrator.Options{Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true})
	check(t, err)
	served := make(chan error, 1)
	go func() { served <- g.Serve(context.Background()) }()
	defer func() {
		g.Close()
		check(t, <-served)
	}()
	dir := t.TempDir()
	hashes := filepath.Join(dir, "hashes")
	scan := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		all := append([]string{"--nat-t", "--sport=0", fmt.Sprintf("--dport=%d", g.Addr().Port()), "--multiline", "--retry=5", "--timeout=2000"}, args...)
		out, err := exec.CommandContext(ctx, "ike-scan", append(all, "127.0.0.1")...).CombinedOutput()
		if err != nil {
			t.Fatalf("ike-scan %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	const strong, weak, unknown = "--trans=(1=7,14=256,2=4,3=65001,4=14)", "--trans=(1=5,2=1,3=1,4=2)", "--trans=(1=5,2=1,3=1,4=1)"
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{strong}, []string{"Main Mode Handshake returned", "Enc=AES", "KeyLength=256", "Hash=SHA2-256", "Group=14:modp2048", "Dead Peer Detection"}},
		{[]string{weak}, []string{"Main Mode Handshake returned", "Enc=3DES", "Hash=MD5", "Auth=PSK", "Group=2:modp1024"}},
		{[]string{unknown, strong}, []string{"Main Mode Handshake returned", "Enc=AES"}},
		{[]string{unknown}, []string{"NO-PROPOSAL-CHOSEN"}},
		{
			[]string{"--aggressive", "--id=staff", "--dhgroup=2", weak, "--pskcrack=" + hashes},
			[]string{"Aggressive Mode Handshake returned", "KeyExchange(128 bytes)", "Nonce(", "ID(Type=ID_IPV4_ADDR, Value=127.0.0.1)", "Hash(16 bytes)"},
		},
	} {
		said := scan(c.args...)
		for _, want := range c.want {
			if !strings.Contains(said, want) {
				t.Errorf("ike-scan %v: no %q in\n%s", c.args, want, said)
			}
		}
		for _, bad := range []string{"Unknown", "malformed", "packet too short"} {
			if strings.Contains(said, bad) {
				t.Errorf("ike-scan %v says %s:\n%s", c.args, bad, said)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "psk-crack", "--bruteforce=4", "--charset=0123456789", hashes).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `key "4711" matches`) {
		t.Errorf("psk-crack: %v\n%s", err, out)
	}
}
