package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"sync"

	"postern/client/concentrator"
	"postern/client/concentrator/radiusserver"
	"postern/client/localapi"
	"postern/client/profile"
)

// demoWorld is what a daemon with --demo has beside connections: gateways, RADIUS
// servers, and a profile for each way to log in.
type demoWorld struct {
	profiles []localapi.Document
	gateways []*concentrator.Gateway
	auths    []*demoAuth
}

func (d *demoWorld) close() {
	for _, g := range d.gateways {
		g.Close()
	}
	for _, a := range d.auths {
		a.close()
	}
}

// demoPassword is easily typed: the gateways listen on this machine alone, and know a
// group's key that is new each time.
const demoPassword = "postern"

// startDemo starts a gateway for each way to log in, and tells what to type.
func startDemo(ctx context.Context, out io.Writer) (*demoWorld, error) {
	d := new(demoWorld)
	fmt.Fprintf(out, "The user %s of the embedded gateways logs in by\n", demoUser)
	for _, way := range []struct {
		kind  string
		names []string // of profiles; the first one has the password stored
		hint  string
	}{
		{authXAuth, []string{"demo", "demo-password"}, "demo: nothing, all is stored\n  demo-password: the password " + demoPassword},
		{authRADIUS, []string{"demo-radius"}, "demo-radius: an answer to the RADIUS server's question: " + firstConcentrator},
		{authSecurID, []string{"demo-securid"}, "demo-securid: a passcode, which is the PIN 1234 and a tokencode behind it; then a new PIN, the next tokencode"},
		{authSTAMP, []string{"demo-stamp"}, "demo-stamp: as demo-securid, in the VPN 5000's own exchanges: a passcode, which is the PIN 1234 and a tokencode behind it; then a new PIN, the next tokencode"},
	} {
		fmt.Fprintln(out, " ", way.hint)
		if err := d.add(ctx, way.kind, way.names, out); err != nil {
			d.close()
			return nil, err
		}
	}
	return d, nil
}

// add starts one gateway.
func (d *demoWorld) add(ctx context.Context, kind string, names []string, out io.Writer) error {
	voice := &demoVoice{out: out, name: names[0]}
	auth, err := newDemoAuth(kind, demoPassword, voice)
	if err != nil {
		return err
	}
	d.auths = append(d.auths, auth)
	voice.follow(auth.token)
	secret := rand.Text()
	gateway, err := startGateway(ctx, secret, auth)
	if err != nil {
		return err
	}
	d.gateways = append(d.gateways, gateway)
	p, err := demoProfile(gateway.Addr(), string(profile.MainMode), secret, auth)
	if err != nil {
		return err
	}
	defer p.Clear()
	for i, name := range names {
		p.Name = name
		doc := localapi.Document{Name: name, TOML: string(p.Marshal()), Secrets: make(map[string]localapi.Octets)}
		for key, s := range p.Secrets() {
			if key != "password" || i == 0 {
				doc.Secrets[key] = append(localapi.Octets(nil), s...)
			}
		}
		d.profiles = append(d.profiles, doc)
	}
	return nil
}

// demoVoice shows what a user's token shows, each time that a code was used. It is
// written to by the servers that judge the login, of which one has the token.
type demoVoice struct {
	out  io.Writer
	name string

	mu    sync.Mutex
	token *radiusserver.Token
	shown uint64
}

const demoCodes = 6 // shown at a time

// follow begins with the first codes, before the server gets to use the token.
func (v *demoVoice) follow(t *radiusserver.Token) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.token = t
	v.show(0)
}

// Write takes a line of the server's, which judged a login.
func (v *demoVoice) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.token == nil {
		return len(b), nil
	}
	if used := v.token.Used.Load(); used != v.shown {
		v.show(used)
	}
	return len(b), nil
}

func (v *demoVoice) show(used uint64) {
	if v.token == nil {
		return
	}
	v.shown = used
	var codes []string
	for n := range uint64(demoCodes) {
		codes = append(codes, radiusserver.Code(v.token.Seed, v.shown+n))
	}
	fmt.Fprintf(v.out, "  %s: the token shows, one after the other: %s\n", v.name, strings.Join(codes, " "))
}
