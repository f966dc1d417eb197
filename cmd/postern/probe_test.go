package main

import (
	"bytes"
	"testing"
	"time"

	"postern/client/localapi"
)

var probeReports = map[string]*localapi.ProbeReport{
	"cisco": {
		Schema: 1, Host: "vpn.example.com", Address: "192.0.2.1", Addresses: []string{"192.0.2.1", "2001:db8::1"},
		Ports: []localapi.ProbePort{{Port: 500, Answer: "answers"}, {Port: 4500, Answer: "silent"}}, IKEv2: "no",
		MainMode: localapi.ProbeMode{Answer: "refuses", Refusals: []string{"NO-PROPOSAL-CHOSEN"}},
		AggressiveMode: &localapi.ProbeMode{
			Answer: "accepts", Methods: []string{"pre-shared key, then a login (XAuth)"},
			Accepted: []localapi.ProbeProposal{
				{Proposal: "aes256-sha1-modp1024", Lifetime: 8 * time.Hour, Weak: []string{"The Diffie-Hellman group MODP1024 is within reach of a rich attacker."}},
				{Proposal: "3des-md5-modp1024", Lifetime: 8 * time.Hour, Weak: []string{"3DES is outdated: its blocks are too small for much traffic.", "MD5 is outdated.", "The Diffie-Hellman group MODP1024 is within reach of a rich attacker."}},
			},
		},
		Identity: "192.0.2.1", OfflineGuessing: true, XAuth: true, DPD: true, Unity: true,
		Vendors: []localapi.ProbeVendor{
			{ID: "12f5f28c457168a9702d9fe274cc0100", Name: "Cisco Unity"},
			{ID: "1f07f70eaa6514d3b0fa96542a500305", Name: "Cisco VPN 3000"},
			{ID: "00112233"},
		},
		Notes:   []string{"The gateway answers Aggressive Mode with a hash of the group's key before it knows who asks."},
		Profile: "gateway = \"vpn.example.com\"\nmode = \"aggressive\"\n", Sent: 30, Received: 12, Took: 9 * time.Second,
	},
	"modern": {
		Schema: 1, Host: "192.0.2.1", Address: "192.0.2.1",
		Ports: []localapi.ProbePort{{Port: 500, Answer: "answers"}, {Port: 4500, Answer: "answers"}}, IKEv2: "yes",
		MainMode: localapi.ProbeMode{
			Answer: "accepts", Complete: true, Methods: []string{"pre-shared key, then a login (XAuth)", "pre-shared key"},
			Accepted: []localapi.ProbeProposal{{Proposal: "aes256-sha256-modp2048"}},
		},
		DPD: true, Fragmentation: true, NATTraversal: []string{"RFC 3947"},
		Notes:   []string{"This gateway speaks IKEv2: if its administrator gives you a login for that, use it, with the client of your system."},
		Profile: "gateway = \"192.0.2.1\"\nmode = \"main\"\n",
	},
	"silence": {
		Schema: 1, Host: "192.0.2.9", Address: "192.0.2.9", IKEv2: "no",
		Ports:    []localapi.ProbePort{{Port: 500, Answer: "silent"}, {Port: 4500, Answer: "closed"}},
		MainMode: localapi.ProbeMode{Answer: "silent"}, Notes: []string{"Nothing was answered."},
	},
}

func TestProbeTable(t *testing.T) {
	for name, r := range probeReports {
		t.Run(name, func(t *testing.T) {
			var plain, verbose bytes.Buffer
			if err := showProbe(&plain, r, false, false); err != nil {
				t.Fatal(err)
			}
			if err := showProbe(&verbose, r, true, true); err != nil {
				t.Fatal(err)
			}
			golden(t, "probe-"+name+".txt", plain.String())
			golden(t, "probe-"+name+"-verbose.txt", verbose.String())
		})
	}
}
