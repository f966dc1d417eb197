package concentrator

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/client/concentrator/radius"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/stamp"
	"postern/xauth"
)

const vpn5000Conf = testConf + `
[ VPN Group "old" ]
Transform = aes128-sha1
LocalIPNet = 10.23.0.0/24
IPNet = 10.30.0.0/16
DNSPrimaryServer = 10.30.0.53
Banner = "Good morning."
KeepaliveInterval = 25
InactivityTimeout = 600
ExcludeLocalLAN = true
MinVersion = 5.0
LocalIPXNet = 0000ABCD
BackupServer = vpn2.example.com
[ VPN Group "locked" ]
Transform = aes128-sha1
LocalIPNet = 10.24.0.0/24
SecurIDRequired = true
[ SecurID ]
PrimAddress = 192.0.2.99
Secret = "secret"
[ VPN Users ]
frank Config=old SharedKey="frank's key"
grete Config=locked SharedKey="grete's key"
`

// stamped is a client that speaks package stamp.
func (l *lab) stamped(w who) (*dialer, *stamp.Client, error) {
	d := &dialer{l: l}
	c := stamp.NewClient(stamp.ClientConfig{Required: true, User: w.id, Log: l.log})
	cfg := ike.Config{
		Mode: w.mode, Proposals: l.g.cfg.Protection, Secret: []byte(w.key), Lifetime: time.Hour,
		Identity: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte(w.id)}, Log: l.log.With("end", "client"), Alter: l.alter,
	}
	c.Configure(&cfg)
	var err error
	if d.sa, err = ike.Dial(l.t.Context(), l.pipe.A, l.pipe.ToB, cfg); err != nil {
		return nil, nil, err
	}
	return d, c, nil
}

func TestPolicyOfAGroup(t *testing.T) {
	for _, mode := range []ike.Mode{ike.Main, ike.Aggressive} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, vpn5000Conf)
			d, c, err := l.stamped(who{mode: mode, id: "frank", key: "frank's key"})
			if err != nil {
				t.Fatal(err)
			}
			defer d.sa.Abandon()
			if ok, err := c.Agreed(d.sa.Info()); !ok || err != nil {
				t.Fatal(ok, err)
			}
			var got *stamp.Policy
			child := ike.ChildConfig{Proposals: []ike.ESPProposal{aes128}, Lifetime: time.Hour}
			child.Ride = c.Ride(d.sa, func(p *stamp.Policy) (stamp.Receipt, error) {
				got = p
				return stamp.Receipt{Version: "test", Networks: uint16(len(p.Networks)), NoIPX: p.IPX}, nil
			})
			if _, err := d.sa.Quick(t.Context(), child); err != nil {
				t.Fatal(err)
			}
			if got.Address.Addr() != addr("10.23.0.1") || got.SaveSecrets || !got.IPX || !got.ExcludeLAN || got.Banner != "Good morning." ||
				got.Keepalive != 25*time.Second || got.Inactivity != 10*time.Minute || len(got.DNS) != 1 || got.LeastVersion != "5.0" ||
				len(got.Networks) != 1 || got.Networks[0] != prefix("10.30.0.0/16") || got.Backup[0] != "vpn2.example.com" {
				t.Errorf("policy %+v", got)
			}
			time.Sleep(time.Second)
			if s := l.g.Sessions(); len(s) != 1 || s[0].User != "frank" || s[0].Children != 1 || s[0].ESP == "" {
				t.Errorf("sessions %+v", s)
			}

			// A later Quick Mode carries no policy, and no identities either.
			child.Ride = nil
			if _, err := d.sa.Quick(t.Context(), child); err != nil {
				t.Error("a later quick mode:", err)
			}
			var refused *ike.NotifyError
			child.Local, child.Remote = ike.Selector{Prefix: prefix("10.23.0.1/32")}, ike.Selector{Prefix: anyIPv4}
			if _, err := d.sa.Quick(t.Context(), child); !errors.As(err, &refused) {
				t.Error("quick mode with identities:", err)
			}
			// Mode Config has nothing to tell.
			login := xauth.NewClient(xauth.ClientConfig{})
			if a, err := login.Pull(t.Context(), d.sa, xauth.Request{}); err == nil && a.Address.IsValid() {
				t.Errorf("mode config tells %+v", a)
			}
		})
	}
}

// TestReceiptMissing: a client that keeps the receipt back loses its SA.
func TestReceiptMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, vpn5000Conf)
		d, _, err := l.stamped(who{mode: ike.Main, id: "frank", key: "frank's key"})
		if err != nil {
			t.Fatal(err)
		}
		defer d.sa.Abandon()
		if _, err := d.sa.Quick(t.Context(), ike.ChildConfig{Proposals: []ike.ESPProposal{aes128}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if s := l.g.Sessions(); len(s) != 0 || d.sa.Err() == nil {
			t.Errorf("sessions %+v, the SA: %v", s, d.sa.Err())
		}
	})
}

// TestSecurIDNeedsAnnouncement: a plain client of a group that wants a passcode is
// turned away.
func TestSecurIDNeedsAnnouncement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, vpn5000Conf)
		d, err := l.dial(who{mode: ike.Main, id: "grete", key: "grete's key"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := d.sa.Err(); err == nil || l.online() != "" {
			t.Errorf("the SA lives: %v, %s", err, l.online())
		}
	})
}

func TestQuestionOf(t *testing.T) {
	for message, want := range map[string]stamp.Ask{
		"Enter PASSCODE:": stamp.AskPasscode,
		"Wait for the tokencode to change, then enter the next tokencode:": stamp.AskNextCode,
		"Enter your new PIN of 4 to 8 digits:":                             stamp.AskNewPIN,
		"Your new PIN is 4711. Accept it? (y/n)":                           stamp.AskAcceptPIN,
		"Do you want to choose your new PIN yourself (y/n)?":               stamp.AskWhoChooses,
		"Which colour?": stamp.AskPasscode,
	} {
		if q := questionOf(message); q.Ask != want || q.Message != message {
			t.Errorf("%q: %v", message, q.Ask)
		}
	}
}

func TestAcceptedByRADIUS(t *testing.T) {
	cfg, err := ParseConfig([]byte(strings.ReplaceAll(testConf, "[ VPN Group \"told\" ]", "[ VPN Group \"told\" ]\nAuthentication = radius\n")+"[ RADIUS ]\nPrimAddress=192.0.2.9\nSecret=x\n"), "x.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ user, group, key, wantGroup, wantKey, problem string }{
		{"nina", "staff", "her key", "staff", "her key", ""},
		{"nina", "", "her key", "told", "her key", ""},
		{"nina", "", "", "told", "told's key", ""},
		{"erin", "", "", "staff", "erin's key", ""},
		{"erin", "told", "", "told", "told's key", ""},
		{"nina", "nobody", "her key", "", "", "isn't in the file"},
	} {
		r, err := cfg.accepted(c.user, accept(c.group, c.key))
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err != nil || r.Group != c.wantGroup || string(r.SharedKey) != c.wantKey {
			t.Errorf("%+v: %s %s %v", c, r.Group, r.SharedKey, err)
		}
	}
}

func accept(group, key string) radius.Accept {
	return radius.Accept{Group: group, SharedKey: []byte(key)}
}
