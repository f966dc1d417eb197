//go:build linux

package interop

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"

	"postern/client/localapi"
)

// A probe finds out what strongSwan was set up for, and the lines that it suggests connect.
func TestProbeOfStrongSwan(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, c := range []struct {
		name     string
		change   func(*swan)
		identity string
		want     []string // proposals, strongest first
		complete bool     // in Main Mode
		ikev2    string
	}{
		{
			name: "main mode", change: func(s *swan) {
				s.Aggressive, s.IKE = false, "3des-md5-modp1024,aes128-sha1-modp1024,aes256-sha256-modp2048,aes256-sha512-modp4096"
			},
			want: []string{"aes256-sha512-modp4096", "aes256-sha256-modp2048", "aes128-sha1-modp1024", "3des-md5-modp1024"}, complete: true, ikev2: "refused",
		},
		{
			name: "main mode, and IKEv2", change: func(s *swan) { s.Aggressive, s.IKEv2, s.IKE = false, true, "aes256-sha256-modp2048" },
			want: []string{"aes256-sha256-modp2048"}, complete: true, ikev2: "yes",
		},
		{
			name: "aggressive mode", change: func(*swan) {}, identity: "staff",
			want: []string{"aes128-sha1-modp1024"}, complete: true, ikev2: "refused",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			l.serve()
			s := labSwan
			c.change(&s)
			gateway := l.swanGateway(s)
			r := l.probe(c.identity)
			mode := r.MainMode
			if c.identity != "" {
				mode = *r.AggressiveMode
				if !r.OfflineGuessing || !strings.HasPrefix(r.Identity, "gateway.example") {
					t.Errorf("offline guessing %v, identity %q", r.OfflineGuessing, r.Identity)
				}
			}
			var accepted []string
			for _, p := range mode.Accepted {
				accepted = append(accepted, p.Proposal)
			}
			if diff := cmp.Diff(c.want, accepted); diff != "" || r.MainMode.Complete != c.complete {
				t.Errorf("accepted: %s complete %v", diff, r.MainMode.Complete)
			}
			if r.IKEv2 != c.ikev2 || !r.DPD || !r.XAuth || !slices.Contains(r.NATTraversal, "RFC 3947") {
				t.Errorf("%+v", r)
			}
			if half := strings.Count(gateway.sas(), "CONNECTING"); half > 2 {
				t.Errorf("%d exchanges are still open at the gateway:\n%s", half, gateway.sas())
			}
			p := settings{}
			if err := toml.Unmarshal([]byte(r.Profile), &p); err != nil {
				t.Fatalf("%v\n%s", err, r.Profile)
			}
			p["secret"], p["user"], p["password"], p["esp"], p["interface"] = s.Secret, s.User, s.Password, []string{s.ESP}, posternInterface
			if _, named := p["identity"]; !named {
				p["identity"] = "staff"
			}
			before := l.client.network()
			client := l.postern(p)
			client.up()
			l.carries(firstOfPool, host1)
			client.quit(before)
		})
	}
}

// probe asks the lab's gateway from the client, as somebody without any privilege could.
func (l *lab) probe(identity string) (r localapi.ProbeReport) {
	l.t.Helper()
	args := []string{program(l.t, "postern"), "probe", gatewayAddress, "--json"}
	if identity != "" {
		args = append(args, "--identity", identity)
	}
	out := l.client.must(args...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		l.t.Fatalf("%v\n%s", err, out)
	}
	return r
}

// Where nothing listens, the message that says so is understood.
func TestProbeOfNobody(t *testing.T) {
	need(t)
	t.Parallel()
	l := newLab(t, false)
	out, err := l.client.try(program(t, "postern"), "probe", gatewayAddress, "--json")
	if err == nil || !strings.Contains(out, `"answer":"closed"`) {
		t.Errorf("%v: %s", err, out)
	}
}
