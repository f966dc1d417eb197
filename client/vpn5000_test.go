package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/client"
	"postern/client/concentrator"
	"postern/client/profile"
)

const userKey = "canary-user-key-5b1c"

const vpn5000Config = `
[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
Protection = aes256-sha256-modp2048
[ VPN Group "old" ]
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 5
IPNet = 10.20.0.0/24
DNSPrimaryServer = 10.20.0.1
DomainName = example.com
Banner = "Good morning"
InactivityTimeout = %d
KeepaliveInterval = 25
LocalIPXNet = 0000ABCD
BackupServer = vpn2.example.com
[ VPN Users ]
"alice" Config="old" SharedKey="` + userKey + `"
`

// connect5000 runs a client of a VPN 5000 until it is up, or ended.
func connect5000(t *testing.T, inactivity int, more string, o client.Options) (*client.Client, context.CancelFunc, <-chan error, *bytes.Buffer) {
	t.Helper()
	cfg, err := concentrator.ParseConfig(fmt.Appendf(nil, vpn5000Config, inactivity), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	g, err := concentrator.New(cfg, concentrator.Options{Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = g.Serve(context.Background()) }()
	t.Cleanup(g.Close)
	p, err := profile.Parse(fmt.Appendf(nil, "name = \"old\"\ngateway = %q\nidentity = \"alice\"\nsecret = %q\n%s", g.Addr(), userKey, more), "old.toml")
	if err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Rootless = &client.Rootless{}
	c := client.New(p, o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for {
		st, changed := c.Watch()
		if st.State == client.Up || st.State == client.Failed {
			return c, cancel, ended, log
		}
		<-changed
	}
}

// TestPolicyApplied, and CVE-2002-1491: no secret stands in any file that the
// client leaves, nor in its log.
func TestPolicyAppliedAndCVE20021491(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "TMPDIR"} {
		t.Setenv(v, dir)
	}
	var erased atomic.Int32
	c, cancel, ended, log := connect5000(t, 0, `vpn5000 = "required"`, client.Options{
		StateDir: filepath.Join(dir, "state"), EraseSecrets: func() error { erased.Add(1); return nil },
	})
	st := c.Status()
	if st.State != client.Up {
		t.Fatalf("%+v", st.Reason)
	}
	if tun := st.Tunnel; tun.Address != netip.MustParseAddr("10.20.0.10") || len(tun.Networks) != 1 || tun.Networks[0] != netip.MustParsePrefix("10.20.0.0/24") ||
		len(tun.DNS) != 1 || tun.Banner != "Good morning" || len(tun.Domains) != 1 {
		t.Errorf("tunnel %+v", tun)
	}
	if v := st.VPN5000; v == nil || v.SaveSecrets || !v.IPXRefused || v.Keepalive != 25*time.Second || len(v.Backup) != 1 {
		t.Errorf("policy %+v", v)
	}
	if w := strings.Join(st.Warnings, " "); !strings.Contains(w, "IPX") || !strings.Contains(w, "doesn't allow secrets") || erased.Load() != 1 {
		t.Errorf("warnings %q, erased %d times", st.Warnings, erased.Load())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if bytes.Contains(log.Bytes(), []byte(userKey)) {
		t.Error("the log holds the user's key")
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte("canary")) {
			t.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestInactivity(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	_, cancel, ended, _ := connect5000(t, 2, `vpn5000 = "auto"
xauth = false`, client.Options{})
	defer cancel()
	var why *client.Reason
	if err := <-ended; !errors.As(err, &why) || why.Code != "idle" {
		t.Errorf("%v, want idle", err)
	}
}
