package diagnosis_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/client/concentrator"
	"postern/client/diagnosis"
	"postern/client/localapi"
)

// TestProbeOfConcentrators asks whole gateways over sockets.
func TestProbeOfConcentrators(t *testing.T) {
	if testing.Short() {
		t.Skip("a probe is slow on purpose")
	}
	for _, c := range []struct {
		name       string
		policy     string
		identity   string
		main       []string
		aggressive []string
	}{
		{
			name: "old and new", policy: "Protection = aes256-sha256-modp2048\nProtection = 3des-md5-modp1024\n",
			main: []string{"aes256-sha256-modp2048", "3des-md5-modp1024"},
		},
		{
			name: "aggressive mode only", policy: "Protection = aes128-sha1-modp1024\nExchangeMode = aggressive\n", identity: "staff",
			aggressive: []string{"aes128-sha1-modp1024"},
		},
		{
			name: "main mode only", policy: "Protection = aes256-sha512-ecp521\nExchangeMode = main\n", identity: "staff",
			main: []string{"aes256-sha512-ecp521"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := startConcentrator(t, c.policy)
			r, err := diagnosis.Probe(t.Context(), localapi.ProbeRequest{Host: g.String(), Identity: c.identity})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.main, names(r.MainMode)); diff != "" {
				t.Errorf("main mode: %s", diff)
			}
			if c.identity != "" {
				if diff := cmp.Diff(c.aggressive, names(*r.AggressiveMode)); diff != "" {
					t.Errorf("aggressive mode: %s", diff)
				}
			}
			if !slices.ContainsFunc(r.Vendors, func(v localapi.ProbeVendor) bool { return strings.Contains(v.Name, "VPN 5000") }) {
				t.Errorf("vendors %v", r.Vendors)
			}
			if r.OfflineGuessing != (c.aggressive != nil) || len(r.Ports) != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func names(m localapi.ProbeMode) (all []string) {
	for _, p := range m.Accepted {
		all = append(all, p.Proposal)
	}
	return slices.Clip(all)
}

func startConcentrator(t *testing.T, policy string) netip.AddrPort {
	t.Helper()
	cfg, err := concentrator.ParseConfig([]byte(`[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
`+policy+`[ VPN Group "staff" ]
SharedKey = "a key"
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 5
IPNet = 10.20.0.0/24
[ VPN Users ]
"alice" Config="staff" Password="a password"
`), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	g, err := concentrator.New(cfg, concentrator.Options{Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(context.Background()) }()
	t.Cleanup(func() {
		g.Close()
		<-ended
	})
	return g.Addr()
}
