package xauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
	"postern/xauth"
)

var compareAddrs = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func prefixes(s ...string) (ps []netip.Prefix) {
	for _, p := range s {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return ps
}

func addrs(s ...string) (as []netip.Addr) {
	for _, a := range s {
		as = append(as, netip.MustParseAddr(a))
	}
	return as
}

// whole has something of everything.
var whole = xauth.Assigned{
	Address: netip.MustParsePrefix("10.8.0.5/24"), DNS: addrs("10.0.0.53", "10.0.0.54"), NBNS: addrs("10.0.0.55"),
	Networks: prefixes("10.0.0.0/8", "192.168.7.0/24"), Exclude: prefixes("192.168.1.0/24"), Expiry: 100000 * time.Second,
	Version: "concentrator", Banner: "Welcome\nto Büro", Domain: "corp.example", SplitDNS: []string{"corp.example", "lab.example"},
	SavePassword: true, PFS: 2, BackupServers: []string{"203.0.113.9", "vpn2.example"},
}

func other() *xauth.Assigned { return &xauth.Assigned{Address: netip.MustParsePrefix("10.9.0.1/32")} }

// TestConfigure has one row for each way in which a configuration comes.
func TestConfigure(t *testing.T) {
	give := func(_ context.Context, _ *ike.SA, c isakmp.Configuration) *isakmp.Configuration {
		return whole.Reply(c)
	}
	never := func(context.Context, *ike.SA, isakmp.Configuration) *isakmp.Configuration {
		t.Error("a REQUEST after the push")
		return nil
	}
	silence := func(context.Context, *ike.SA, isakmp.Configuration) *isakmp.Configuration { return nil }
	slowly := func(ctx context.Context, sa *ike.SA, c isakmp.Configuration) *isakmp.Configuration {
		time.Sleep(5 * time.Second)
		return whole.Reply(c)
	}
	push := func(a *xauth.Assigned) func(context.Context, *ike.SA) error {
		return func(ctx context.Context, sa *ike.SA) error { return xauth.Push(ctx, sa, a) }
	}
	tests := []struct {
		name    string
		serve   func(context.Context, *ike.SA, isakmp.Configuration) *isakmp.Configuration
		gateway func(context.Context, *ike.SA) error
		after   time.Duration // Pull begins
		want    *xauth.Assigned
		err     error
	}{
		{"pull", give, nil, 0, &whole, nil},
		{"pull, answered late", slowly, nil, 0, &whole, nil},
		{"push before pull", never, push(other()), time.Second, other(), nil},
		{"push while the request is on its way", silence, push(other()), 0, other(), nil},
		{"push overtakes the reply", slowly, push(other()), 0, other(), nil},
		{"two pushes", silence, func(ctx context.Context, sa *ike.SA) error {
			return errors.Join(xauth.Push(ctx, sa, &whole), xauth.Push(ctx, sa, other()))
		}, time.Second, other(), nil},
		{"neither", silence, nil, 0, nil, new(ike.TimeoutError)},
		{"Delete", silence, func(_ context.Context, sa *ike.SA) error { return sa.Close() }, 0, nil, ike.ErrDeleted},
	}
	for _, tt := range tests {
		run := func(t *testing.T, fault iketest.Fault) {
			l := connect(t, xauth.ClientConfig{}, tt.serve, fault)
			defer l.close()
			done := make(chan error, 1)
			go func() {
				if tt.gateway == nil {
					done <- nil
				} else {
					done <- tt.gateway(t.Context(), l.gateway)
				}
			}()
			time.Sleep(tt.after)
			got, err := l.client.Pull(t.Context(), l.sa, xauth.Request{})
			var timeout *ike.TimeoutError
			if !errors.Is(err, tt.err) && (!errors.As(tt.err, &timeout) || !errors.As(err, &timeout)) {
				t.Error(err)
			}
			if d := cmp.Diff(tt.want, got, compareAddrs); d != "" {
				t.Error(d)
			}
			if err := <-done; err != nil {
				t.Error("gateway:", err)
			}
			time.Sleep(time.Second) // whatever was sent arrives
		}
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { run(t, nil) })
		})
		if tt.err != nil {
			continue
		}
		for name, fault := range faults {
			for number := 3; number <= 7; number++ {
				for _, fromA := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s, %s %d of the client %v", tt.name, name, number, fromA), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							run(t, func(x iketest.Datagram) []iketest.Delivery {
								if x.Number == number && x.FromA == fromA {
									return fault(x.Octets)
								}
								return []iketest.Delivery{{Octets: x.Octets}}
							})
						})
					})
				}
			}
		}
	}
}

// TestPushInsideXAuth is what NetScreen does, and STATUS with a configuration
// what a Shrew-style gateway may.
func TestPushInsideXAuth(t *testing.T) {
	for _, inStatus := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := connect(t, xauth.ClientConfig{User: "alice", Password: []byte(good)}, nil, nil)
			defer l.close()
			dialogue := []isakmp.Configuration{request(userAndPassword()...), set(other().Attributes(nil)...), set(status(isakmp.XAuthOK))}
			if inStatus {
				dialogue = []isakmp.Configuration{dialogue[0], set(append(other().Attributes(nil), status(isakmp.XAuthOK))...)}
			}
			go func() {
				if err := says(dialogue...)(t.Context(), l.gateway); err != nil {
					t.Error(err)
				}
			}()
			if err := l.client.Wait(t.Context(), l.sa); err != nil {
				t.Error(err)
			}
			got, err := l.client.Pushed(t.Context(), l.sa)
			if d := cmp.Diff(other(), got, compareAddrs); d != "" || err != nil {
				t.Error(err, d)
			}
			time.Sleep(time.Second)
		})
	}
}

func TestPushedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := connect(t, xauth.ClientConfig{}, nil, nil)
		defer l.close()
		l.client.Handle(t.Context(), nil, request(message("x")))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.client.Pushed(ctx, l.sa); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.AfterFunc(time.Second, func() { l.gateway.Close() })
		if _, err := l.client.Pushed(t.Context(), l.sa); !errors.Is(err, ike.ErrDeleted) {
			t.Error(err)
		}
	})
}

// TestRequest: what the client asks for, and that a gateway answers only that.
func TestRequest(t *testing.T) {
	tests := []struct {
		name    string
		request xauth.Request
		want    string
	}{
		{"least", xauth.Request{}, "1 2 3 4 5 7=postern 28672 28673 28674 28675 28676 28678 28679 28681"},
		{
			"most",
			xauth.Request{Version: "postern 1.0", Hostname: "laptop", NATTPort: true},
			"1 2 3 4 5 7=postern 1.0 28672 28673 28674 28675 28676 28678 28679 28681 28677 28682=laptop",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked string
				l := connect(t, xauth.ClientConfig{}, func(_ context.Context, _ *ike.SA, c isakmp.Configuration) *isakmp.Configuration {
					for _, a := range c.Attributes {
						if asked += fmt.Sprint(a.Type); len(a.Value) > 0 {
							asked += "=" + string(a.Value)
						}
						asked += " "
					}
					return &isakmp.Configuration{Type: isakmp.CfgReply, Identifier: c.Identifier}
				}, nil)
				defer l.close()
				got, err := l.client.Pull(t.Context(), l.sa, tt.request)
				if d := cmp.Diff(&xauth.Assigned{}, got, compareAddrs); d != "" || err != nil {
					t.Error(err, d)
				}
				if d := cmp.Diff(tt.want+" ", asked); d != "" {
					t.Error(d)
				}
			})
		})
	}
	r := whole.Reply(request(wants(isakmp.AttrInternalIP4Address), wants(isakmp.AttrInternalIP4Address), wants(isakmp.AttrUnityNATTPort), wants(9999)))
	if d := cmp.Diff([]isakmp.Attribute{isakmp.TLV(1, []byte{10, 8, 0, 5})}, r.Attributes); d != "" || r.Type != isakmp.CfgReply {
		t.Error(r.Type, d)
	}
	if r := whole.Reply(request()); len(r.Attributes) != 0 {
		t.Error(r)
	}
}
