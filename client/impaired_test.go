package client_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/client"
	"postern/client/concentrator"
	"postern/tun/hostnet"
	"postern/tun/memnet"
)

// impairedConfig has a user whose connection is up before the gateway goes wrong, and
// one who comes afterwards.
const impairedConfig = `
[ General ]
InsideAddress = 10.20.0.1/24
Certificate = gateway.pem
PrivateKey = gateway.key
[ IKE Policy ]
Protection = aes256-sha1-curve25519
[ VPN Group "staff" ]
SharedKey = "` + groupKey + `"
Transform = aes256-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 5
IPNet = 10.20.0.0/24
[ VPN Group "home" ]
Method = hybrid
Transform = aes256-sha1
StartIPAddress = 10.20.0.20
MaxConnections = 5
IPNet = 10.20.0.0/24
[ VPN Users ]
"alice" Config="staff" Password="` + password + `"
"bob"   Config="staff" Password="` + password + `"
"carol" Config="home" Password="` + password + `"
`

const (
	impairedProposals = "ike = [\"aes256-sha1-curve25519\"]\nesp = [\"aes256-sha1\"]\npassword = \"" + password + "\"\n"
	impairedShared    = "identity = \"staff\"\nsecret = \"" + groupKey + "\"\n" + impairedProposals
	impairedHybrid    = "auth = \"hybrid\"\nca = 'root.pem'\ngateway_identity = 'gw.example'\nidentity = \"home\"\nuser = \"carol\"\n" + impairedProposals
)

// impairedOutcomes are what becomes of the clients of a gateway with an impairment: the code of the failure,
// and what the sentence names. Under those that aren't here the client is connected.
var impairedOutcomes = map[string]struct{ main, aggressive, says string }{
	"ke-omitted":               {"bad_answer", "bad_answer", "KE payload of 0 octets"},
	"ke-zero":                  {"bad_answer", "bad_answer", "low order point"},
	"ke-empty":                 {"bad_answer", "bad_answer", "KE payload of 0 octets"},
	"hash-omitted":             {"no_answer_key", "bad_answer", ""},
	"signature-truncated":      {"gateway_signature", "gateway_signature", ""},
	"signature-hash-truncated": {"gateway_signature", "gateway_signature", ""},
	"transform-unoffered":      {"bad_answer", "bad_answer", "message 2"},
	"key-length-omitted":       {"bad_answer", "bad_answer", "message 2"},
	"key-length-doubled":       {"bad_answer", "bad_answer", "message 2"},
	"key-length-zero":          {"bad_answer", "bad_answer", "message 2"},
	"early-status":             {"unasked", "unasked", ""},
	"quick-hash-omitted":       {"bad_answer", "bad_answer", "HASH"},
	"esp-transform-unoffered":  {"bad_answer", "bad_answer", "quick mode: message 2"},
	"esp-key-length-omitted":   {"bad_answer", "bad_answer", "quick mode: message 2"},
	"esp-key-length-doubled":   {"bad_answer", "bad_answer", "quick mode: message 2"},
	"esp-key-length-zero":      {"bad_answer", "bad_answer", "quick mode: message 2"},
	"esp-spi-zero":             {"bad_answer", "bad_answer", "SPI"},
	"id-missing":               {"bad_answer", "bad_answer", "1 ID payloads"},
	"id-extra":                 {"bad_answer", "bad_answer", "3 ID payloads"},
	"id-type":                  {"bad_answer", "bad_answer", "is no network"},
	"id-short":                 {"bad_answer", "bad_answer", "is no network"},
}

// A client of a gateway that goes wrong ends in the right state with the right sentence,
// or is connected all the same and stays so; the client beside it, connected before,
// doesn't lose a packet.
func TestImpairedGateway(t *testing.T) {
	dir := weatherDir(t)
	for _, i := range concentrator.Impairments() {
		names := []string{i.Name}
		if stem, numbered := strings.CutSuffix(i.Name, "N"); numbered {
			names = nil
			for n := 1; n < 9; n++ {
				names = append(names, stem+strconv.Itoa(n))
			}
		}
		for _, name := range names {
			for _, mode := range []string{"main", "aggressive"} {
				t.Run(name+" "+mode, func(t *testing.T) { impaired(t, dir, name, mode) })
			}
		}
	}
}

func impaired(t *testing.T, dir, name, mode string) {
	want := impairedOutcomes[name]
	code := want.main
	if mode == "aggressive" {
		code = want.aggressive
	}
	synctest.Test(t, func(t *testing.T) {
		w := impairedWorld(t, dir)
		defer w.end()
		flow := w.flow(200 * time.Millisecond)
		if err := w.gateway.g.Impair(name); err != nil {
			t.Fatal(err)
		}
		late := w.beside(dir, name, mode)
		defer late.conn.stop()
		_, err := late.conn.upWithin(time.Hour)
		time.Sleep(10 * time.Second)
		flow.end()
		flow.perfect(t)
		switch st := late.conn.Status(); {
		case code == "" && err != nil:
			t.Errorf("not connected: %v", err)
		case code == "":
			late.staysUp(name)
			w.made(name)
			if outlived := late.seen("phase 1 has ended, its children live on") == 1; outlived != (name == "notify-after-delete") {
				t.Error("of its phase 1 the client says that it has ended: ", outlived)
			}
		case err == nil:
			t.Errorf("connected, want %s", code)
		case st.State != client.Failed || st.Reason.Code != code || !strings.Contains(st.Reason.Message, want.says):
			t.Errorf("%s: %s: %s; want %s (%s)", st.State, st.Reason.Code, st.Reason.Message, code, want.says)
		}
	})
}

// impairedWorld has a gateway and a client that is connected to it.
func impairedWorld(t *testing.T, dir string) *world {
	w := &world{t: t, net: memnet.New(), lines: make(map[string]int), began: time.Now(), log: slog.New(slog.DiscardHandler)}
	if os.Getenv("POSTERN_DEBUG") != "" {
		w.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w.laptop = &machine{host: w.net.Host(laptopAddr), changes: make(chan hostnet.Change), names: make(map[string][]netip.Addr)}
	w.gateway = &gatewayHost{w: w, host: w.net.Host(gatewayAddr), config: impairedConfig, path: filepath.Join(dir, "gateway.conf")}
	w.gateway.start()
	w.connectBy(w.weatherProfile(dir, weatherMode{profile: impairedShared + "user = \"alice\"\n"}), nil)
	w.conn.awaitUp()
	return w
}

// beside is a second client of the gateway.
func (w *world) beside(dir, impairment, mode string) *world {
	b := &world{t: w.t, net: w.net, gateway: w.gateway, lines: make(map[string]int), log: w.log, began: w.began}
	b.laptop = &machine{host: w.net.Host(otherAddr), changes: make(chan hostnet.Change), names: make(map[string][]netip.Addr)}
	p := impairedShared + "user = \"bob\"\n"
	if strings.HasPrefix(impairment, "signature") {
		p = impairedHybrid
	}
	b.connectBy(b.weatherProfile(dir, weatherMode{profile: p + fmt.Sprintf("mode = %q\n", mode)}), nil)
	return b
}

// made wants no SA to have been made beside those of the two clients, but in the place
// of a child that was deleted.
func (w *world) made(name string) {
	w.t.Helper()
	children := 2
	if name == "two-deletes" {
		children++
	}
	for message, want := range map[string]int{"phase 1": 2, "child": children, "misbehaving on purpose": 1} {
		if n := w.seenAt("gateway", message); n != want {
			w.t.Errorf("the gateway logged %q %d times, want %d", message, n, want)
		}
	}
}

// staysUp wants the connection to carry packets for half a minute, the gateway going wrong
// as it goes.
func (w *world) staysUp(name string) {
	w.t.Helper()
	w.conn.awaitUp()
	flow := w.flow(200 * time.Millisecond)
	time.Sleep(30 * time.Second)
	flow.end()
	flow.perfect(w.t)
	st := w.conn.Status()
	if st.State != client.Up {
		w.t.Errorf("%s: %+v", st.State, st.Reason)
	}
	const inNone = "none of the profile's gateways"
	if warned := strings.Contains(strings.Join(st.Warnings, " "), inNone); warned != (name == "redirect") {
		w.t.Errorf("warnings %q", st.Warnings)
	}
	if left := time.Until(st.IKE.Expires); left < 7*time.Hour || left > 8*time.Hour {
		w.t.Errorf("phase 1 lives for %v more", left)
	}
}
