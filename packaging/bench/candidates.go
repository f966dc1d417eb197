//go:build linux

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A candidate is what one row of the table is about.
type candidate struct {
	name     string
	what     string // for the table
	ours     bool
	thorough bool     // UDP and pings are measured too
	needs    []string // programs
	up       func(l *lab) (tunnel, error)
}

// A tunnel is up: the client's traffic for target goes through it.
type tunnel struct {
	target   string   // an address of the gateway's
	client   *process // nil: the kernel itself
	gateway  *process
	counting bool   // both are packaging/bench/tunnel, and report
	tier     string // what they reported
}

// allCandidates lists every candidate, those next to each other that are compared with each other.
func allCandidates(bin, tier string) []candidate {
	in := func(program string) string { return filepath.Join(bin, program) }
	var all []candidate
	ours := func(suite, what string, thorough bool) {
		all = append(all, candidate{
			name: suite, what: "postern's data plane, " + what, ours: true, thorough: thorough,
			needs: []string{in("tunnel")},
			up:    func(l *lab) (tunnel, error) { return l.upTunnel(in("tunnel"), suite, tier) },
		})
	}
	all = append(all, candidate{name: "veth", what: "the wire without any tunnel", up: func(*lab) (tunnel, error) {
		return tunnel{target: gatewayOuter}, nil
	}})
	ours("null", "neither encrypted nor authenticated", true)
	ours("aes128-sha1", "AES-128-CBC, HMAC-SHA1-96", true)
	all = append(all, candidate{
		name: "wireguard-go", what: "wireguard-go at both ends, ChaCha20-Poly1305", thorough: true,
		needs: []string{in("wireguard")},
		up:    func(l *lab) (tunnel, error) { return l.upWireGuard(in("wireguard")) },
	})
	ours("aes128gcm16", "AES-128-GCM", true)
	ours("3des-sha1", "3DES-CBC, HMAC-SHA1-96", false)
	for _, c := range []struct{ name, esp, what string }{
		{"vpnc", "aes128-sha1", "AES-128-CBC, HMAC-SHA1-96"},
		{"vpnc-3des", "3des-sha1", "3DES-CBC, HMAC-SHA1-96"},
	} {
		all = append(all, candidate{
			name: c.name, what: "vpnc against strongSwan, " + c.what,
			needs: []string{"vpnc", charonPath, "swanctl"},
			up:    func(l *lab) (tunnel, error) { return l.upVPNC(c.esp) },
		})
	}
	for _, c := range []struct{ name, esp, what string }{
		{"strongswan", "aes128-sha1", "AES-128-CBC, HMAC-SHA1-96"},
		{"strongswan-3des", "3des-sha1", "3DES-CBC, HMAC-SHA1-96"},
	} {
		all = append(all, candidate{
			name: c.name, what: "strongSwan's kernel-libipsec at both ends, " + c.what,
			needs: []string{charonPath, "swanctl"},
			up:    func(l *lab) (tunnel, error) { return l.upStrongSwan(c.esp) },
		})
	}
	all = append(all, candidate{
		name: "postern", what: "the programs postern and concentrator, AES-128-CBC, HMAC-SHA1-96", ours: true, thorough: true,
		needs: []string{in("postern"), in("concentrator")},
		up:    func(l *lab) (tunnel, error) { return l.upPostern(in("postern"), in("concentrator")) },
	})
	ours("aes256-sha256", "AES-256-CBC, HMAC-SHA-256-128", false)
	ours("aes128-md5", "AES-128-CBC, HMAC-MD5-96", false)
	ours("3des-md5", "3DES-CBC, HMAC-MD5-96", false)
	ours("des-md5", "DES-CBC, HMAC-MD5-96", false)
	return all
}

// choose takes the candidates of those names, all when there is none, whose programs are there. skipped says which others
// there would be, and why not.
func choose(all []candidate, names string) (chosen []candidate, skipped []string, err error) {
	wanted := strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' })
	for _, name := range wanted {
		if !slices.ContainsFunc(all, func(c candidate) bool { return c.name == name }) {
			return nil, nil, fmt.Errorf("no candidate is called %q", name)
		}
	}
	for _, program := range []string{"ip", "iperf3"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, nil, fmt.Errorf("%s is missing; remedy: sudo packaging/test-deps --bench", program)
		}
	}
	for _, c := range all {
		if len(wanted) > 0 && !slices.Contains(wanted, c.name) {
			continue
		}
		missing := slices.DeleteFunc(slices.Clone(c.needs), func(program string) bool {
			_, err := exec.LookPath(program)
			return err == nil
		})
		if len(missing) > 0 {
			skipped = append(skipped, c.name+", without "+strings.Join(missing, " and "))
			continue
		}
		chosen = append(chosen, c)
	}
	if len(chosen) == 0 {
		return nil, nil, errors.New("no candidate is left")
	}
	return chosen, skipped, nil
}
