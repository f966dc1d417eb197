//go:build linux

package interop

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// With the keys that postern writes on request, Wireshark reads everything that passed: IKE, ESP and what was in it.
func TestKeyLogOpensCapture(t *testing.T) {
	needStrongSwan(t)
	need(t, "tshark", "dumpcap")
	t.Parallel()
	for _, c := range []struct {
		name         string
		concentrator bool
		behindNAT    bool
		change       func(*swan)
		profile      settings
		raw          bool // ESP goes as IP protocol 50
	}{
		{name: "strongSwan, aggressive mode", change: func(*swan) {}},
		{
			name:   "strongSwan, 3DES, MD5",
			change: func(s *swan) { s.IKE, s.ESP = "3des-md5-modp1024", "3des-md5" },
		},
		{
			name:   "strongSwan, main mode, AES-256, SHA-2",
			change: func(s *swan) { s.Aggressive, s.IKE, s.ESP = false, "aes256-sha256-modp2048", "aes256-sha256" },
		},
		{
			name:   "strongSwan, SHA-384, AES-GCM",
			change: func(s *swan) { s.Aggressive, s.IKE, s.ESP = false, "aes256-sha384-modp2048", "aes256gcm16" },
		},
		{name: "strongSwan, DES, SHA-512", change: func(s *swan) { s.IKE, s.ESP = "des-md5-modp1024", "des-sha512" }},
		{name: "strongSwan, NULL, SHA-384", change: func(s *swan) { s.ESP = "null-sha384" }},
		{name: "concentrator, IP protocol 50", concentrator: true, raw: true},
		{name: "concentrator, behind a NAT", concentrator: true, behindNAT: true, profile: settings{"mode": "main"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.behindNAT)
			s := labSwan
			if c.concentrator {
				l.concentrator()
			} else {
				c.change(&s)
				l.swanGateway(s)
			}
			keys := l.folder("keys")
			capture := l.capture(l.client)
			client := l.postern(s.profile().with(c.profile), "--keylog", keys)
			client.up()
			l.client.ping(host1)
			client.signal(syscall.SIGINT)
			if code, err := client.wait(patience); err != nil || code != 0 {
				t.Errorf("postern ended with %d, %v", code, err)
			}
			found := tally(capture.end(keys))
			if found["malformed"] != 0 || found["IKE sealed"] != 0 || found["ESP sealed"] != 0 || found["bad ICV"] != 0 {
				t.Errorf("not opened: %v", found)
			}
			for _, want := range []string{"the user", "the Delete", "echo request", "echo reply"} {
				if found[want] == 0 {
					t.Errorf("%s wasn't found: %v", want, found)
				}
			}
			if raw := found["raw ESP"] > 0; raw != c.raw {
				t.Errorf("ESP came as IP protocol 50: %v, want %v", raw, c.raw)
			}
		})
	}
}

// tally counts what a tester wants to know of the packets.
func tally(packets []packet) map[string]int {
	found, seen := map[string]int{}, map[string]bool{}
	for _, p := range packets {
		// Wireshark decrypts what is repeated with the IV that follows.
		repeated := p.datagram != "" && seen[p.datagram]
		seen[p.datagram] = true
		for what, so := range map[string]bool{
			"malformed":    strings.Contains(p.protocols, "_ws.malformed") && !repeated,
			"IKE sealed":   p.encrypted == "1" && p.hash == "" && !repeated, // each encrypted message has a HASH
			"ESP sealed":   p.spi != "" && !strings.Contains(p.protocols, ":esp:ip:"),
			"bad ICV":      p.spi != "" && p.icvGood != "1",
			"the user":     p.user == labSwan.User,
			"the Delete":   p.deleted != "",
			"echo request": p.spi != "" && p.icmp == "8",
			"echo reply":   p.spi != "" && p.icmp == "0",
			"raw ESP":      strings.Contains(p.protocols, ":ip:esp"),
		} {
			if so {
				found[what]++
			}
		}
	}
	return found
}

// A capture is what passes a node's outside while it runs.
type capture struct {
	*process
	file string
}

// Trains of datagrams are cut before they pass it, as a network card's driver has them:
// tshark would take one for a single ESP packet.
func (l *lab) capture(n *node) *capture {
	l.t.Helper()
	for _, end := range []*node{l.client, l.gateway} {
		end.ip("link", "set", "outside", "gso_max_segs", "1")
	}
	c := &capture{file: filepath.Join(l.dir, "capture.pcapng")}
	c.process = n.start(nil, "dumpcap", "-q", "-i", "outside", "-w", c.file)
	l.eventually("dumpcap's file", func() bool {
		c.running()
		return strings.Contains(c.said.String(), "File: ")
	})
	return c
}

// end ends the capture and dissects it with the keys in a folder.
func (c *capture) end(keys string) []packet {
	t := c.node.lab.t
	t.Helper()
	const last = "the last packet of the capture"
	c.node.lab.eventually(last, func() bool {
		c.node.must("@say", gatewayAddress+":9", last)
		written, err := os.ReadFile(c.file)
		return err == nil && bytes.Contains(written, []byte(last))
	})
	c.stop()
	return dissect(t, c.file, keys)
}

// A packet is what tshark reads in one packet of IKE, of ESP, or a malformed one.
type packet struct{ protocols, datagram, encrypted, hash, user, deleted, spi, icvGood, icmp string }

// dissect reads a capture with the keys in a folder, which Wireshark takes for the one of its configuration.
func dissect(t *testing.T, capture, keys string) (packets []packet) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []string{
		"-n", "-r", capture, "-Y", "isakmp || esp || _ws.malformed", "-T", "fields", "-E", "separator=|", "-E", "occurrence=f",
		"-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE",
	}
	fields := []string{
		"frame.protocols", "udp.payload", "isakmp.flag_e", "isakmp.hash", "isakmp.cfg.attr.xauth.user_name", "isakmp.delete.spi",
		"esp.spi", "esp.icv_good", "icmp.type",
	}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	c := exec.CommandContext(ctx, "tshark", args...)
	c.Env = append(os.Environ(), "WIRESHARK_CONFIG_DIR="+keys)
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.Output()
	if err != nil || strings.Contains(complaints.String(), "rror") {
		t.Fatalf("tshark: %v\n%s", err, complaints.String())
	}
	for line := range strings.Lines(string(out)) {
		v := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(v) != len(fields) {
			t.Fatalf("tshark wrote %q", line)
		}
		packets = append(packets, packet{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]})
	}
	return packets
}
