package ike_test

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

var update = flag.Bool("update", false, "record the golden files anew")

// Whole flows between our two ends, octet for octet: what we send doesn't change
// unnoticed. The files are written anew with -update.
func TestGoldenFlows(t *testing.T) {
	flows := []struct {
		name     string
		mode     ike.Mode
		proposal ike.Proposal
		run      func(t *testing.T, r *rig)
	}{
		{
			"main-aes256-sha256-modp2048", ike.Main,
			ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 256, Hash: isakmp.HashSHA256, Group: isakmp.GroupMODP2048},
			wholeFlow,
		},
		{
			"aggressive-3des-md5-modp1024", ike.Aggressive,
			ike.Proposal{Cipher: isakmp.Cipher3DES, Hash: isakmp.HashMD5, Group: isakmp.GroupMODP1024},
			wholeFlow,
		},
		{
			"main-behind-nat", ike.Main,
			ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 128, Hash: isakmp.HashSHA1, Group: isakmp.GroupMODP1024},
			func(t *testing.T, r *rig) {
				r.SetNAT(natAt(31000))
				wholeFlow(t, r)
			},
		},
		{
			"main-with-loss", ike.Main,
			ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 128, Hash: isakmp.HashSHA1, Group: isakmp.GroupMODP1024},
			func(t *testing.T, r *rig) {
				six := nth(3, false, isakmp.ExchangeMain, drop)
				three := nth(2, true, isakmp.ExchangeQuick, drop)
				r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
					if len(six(d)) == 0 || len(three(d)) == 0 {
						return nil
					}
					return arrive(d)
				})
				wholeFlow(t, r)
			},
		},
		{"main-rsa-signatures", ike.Main, certifiedFlow, func(t *testing.T, r *rig) {
			r.certified(isakmp.AuthRSA, "rsa")
			wholeFlow(t, r)
		}},
		{"aggressive-hybrid", ike.Aggressive, certifiedFlow, func(t *testing.T, r *rig) {
			r.certified(isakmp.AuthHybridInitRSA, "rsa")
			wholeFlow(t, r)
		}},
		{"main-dss-signatures", ike.Main, certifiedFlow, func(t *testing.T, r *rig) {
			r.certified(isakmp.AuthDSS, "dss")
			wholeFlow(t, r)
		}},
		{"aggressive-rsa-encryption", ike.Aggressive, certifiedFlow, func(t *testing.T, r *rig) {
			r.encrypted(isakmp.AuthXAuthInitRSAEncryption)
			wholeFlow(t, r)
		}},
		{"main-rsa-revised-encryption", ike.Main, certifiedFlow, func(t *testing.T, r *rig) {
			r.encrypted(isakmp.AuthRSARevisedEncryption)
			wholeFlow(t, r)
		}},
		{"main-fragments", ike.Main, certifiedFlow, func(t *testing.T, r *rig) {
			r.certified(isakmp.AuthXAuthInitRSA, "rsa")
			r.a.FragmentSize, r.b.FragmentSize = 576, 576
			wholeFlow(t, r)
		}},
	}
	for i, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, uint64(i))
			got := &iketest.Flow{About: "Our two ends with each other. Arrows to the right are the initiator's. Recorded by go test ./ike -update"}
			inBubbleOf(t, flow.mode, func(t *testing.T, r *rig) {
				tape := iketest.NewRecorder()
				r.a.Proposals, r.b.Proposals = []ike.Proposal{flow.proposal}, []ike.Proposal{flow.proposal}
				var keys strings.Builder
				r.a.KeyLog = ike.NewKeyLog(&keys)
				r.a.Log, r.b.Log = slog.New(annotator{tape, true}), slog.New(annotator{tape, false})
				flow.run(t, r)
				for _, d := range r.Sent() {
					tape.Note(d.FromA, d.Octets, ike.Path{Local: d.From.Remote, Remote: d.From.Local, Marker: d.From.Marker})
				}
				got.Messages = tape.Messages()
				got.Setup = map[string]string{"keys": strings.TrimSpace(keys.String())}
				for i := range got.Messages {
					got.Messages[i].At = 0 // the pauses are random
				}
			})
			golden(t, filepath.Join("testdata", "flows", flow.name+".txt"), got)
		})
	}
}

var certifiedFlow = ike.Proposal{Cipher: isakmp.Cipher3DES, Hash: isakmp.HashSHA1, Group: isakmp.GroupMODP1024}

// annotator is the slog.Handler that hears from an end what it sends: package ike
// logs "-> HDR, SA, VID" and the number of octets.
type annotator struct {
	tape *iketest.Recorder
	ofA  bool
}

func (a annotator) Handle(_ context.Context, record slog.Record) error {
	said, ok := strings.CutPrefix(record.Message, "-> ")
	record.Attrs(func(attr slog.Attr) bool {
		if ok && attr.Key == "octets" {
			a.tape.Annotate(a.ofA, int(attr.Value.Int64()), said)
		}
		return true
	})
	return nil
}

func (a annotator) Enabled(context.Context, slog.Level) bool { return true }
func (a annotator) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a annotator) WithGroup(string) slog.Handler            { return a }

// wholeFlow is phase 1, a question of the gateway's and one of the client's, a
// child, a renewed one with perfect forward secrecy, a probe, the end.
func wholeFlow(t *testing.T, r *rig) {
	r.a.InitialContact, r.a.DPD = true, 30*time.Second
	r.b.Lifetime = time.Hour
	a, b := r.connect()
	request(t, b)
	request(t, a)
	first, _ := r.quick(a)
	c := child()
	c.Group = a.Info().Proposal.Group
	if _, err := a.Quick(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	<-r.children
	time.Sleep(time.Second)
	if err := a.DeleteChild(first.InboundSPI); err != nil {
		t.Error(err)
	}
	time.Sleep(30 * time.Second)
	time.Sleep(2 * time.Second)
	a.Close()
	<-b.Done()
}

func golden(t *testing.T, file string, flow *iketest.Flow) {
	t.Helper()
	var got strings.Builder
	if _, err := flow.WriteTo(&got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
