package isakmp

import (
	"bytes"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// maxAllocated is how many octets a parser may allocate, whatever it reads.
const maxAllocated = 64 << 10

// allocated returns the octets that f allocates: the least of several runs where
// it is too much, for the runtime allocates beside.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 20 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if least = min(least, after.TotalAlloc-before.TotalAlloc); least <= maxAllocated {
			break
		}
	}
	return least
}

// checkParser wants of every input: little allocated, no panic, and what was
// read is read again after it was written.
func checkParser[T marshaler](t *testing.T, parse func([]byte) (T, error), body []byte) {
	t.Helper()
	var v T
	var err error
	if n := allocated(func() { v, err = parse(body) }); n > maxAllocated {
		t.Errorf("%d octets allocated for %d", n, len(body))
	}
	if err != nil {
		return
	}
	again, err := parse(v.Marshal())
	if err != nil {
		t.Fatalf("%+v isn't read again: %v", v, err)
	}
	if !reflect.DeepEqual(v, again) {
		t.Errorf("(-first +again):\n%s", cmp.Diff(v, again))
	}
}

// maxBody is the longest body that a payload can have.
const maxBody = 0xffff - genericLen

func fuzzParser[T marshaler](f *testing.F, parse func([]byte) (T, error), seeds ...marshaler) {
	for _, seed := range seeds {
		f.Add(seed.Marshal())
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) <= maxBody {
			checkParser(t, parse, body)
		}
	})
}

func FuzzSA(f *testing.F) { fuzzParser(f, ParseSA, saValue) }

func FuzzNotify(f *testing.F) {
	fuzzParser(f, ParseNotify, Notify{DOIIPsec, ProtoISAKMP, make([]byte, 16), NotifyRUThere, make([]byte, 4)})
}

func FuzzDelete(f *testing.F) {
	fuzzParser(f, ParseDelete, Delete{DOIIPsec, ProtoESP, [][]byte{{1, 2, 3, 4}, {5, 6, 7, 8}}})
}

func FuzzConfiguration(f *testing.F) {
	fuzzParser(f, checkedConfiguration, Configuration{CfgReply, 7, []Attribute{
		TLV(AttrInternalIP4Address, []byte{10, 0, 0, 1}), TV(AttrUnitySavePassword, 1), TLV(AttrUnityBanner, []byte("welcome")),
	}})
}

func FuzzFragment(f *testing.F) {
	fuzzParser(f, ParseFragment, Fragment{1, 1, true, []byte("a piece of a message")})
}

func FuzzCert(f *testing.F) {
	fuzzParser(f, ParseCert, Cert{CertX509Signature, []byte("der")})
}

func FuzzID(f *testing.F) {
	fuzzParser(f, checkedID, ID{IDKeyID, 17, 500, []byte("staff")}, ID{IDIPv4Subnet, 6, 80, []byte{10, 0, 0, 0, 255, 0, 0, 0}})
}

// attributeList makes a list of attributes a body of its own.
type attributeList []Attribute

func (l attributeList) Marshal() []byte { return AppendAttributes(nil, l) }

func FuzzAttributes(f *testing.F) {
	parse := func(b []byte) (attributeList, error) {
		as, err := ParseAttributes(b)
		for _, a := range as {
			if a.Basic && len(a.Value) != 2 {
				panic("a basic attribute that is no 16-bit number")
			}
		}
		return as, err
	}
	fuzzParser(f, parse, attributeList{TV(AttrLifeType, LifeSeconds), Number(AttrLifeDuration, 86400)})
}

// checkedID is ParseID; the ID must print in one line that a log can hold, and
// a network that it names must name it.
func checkedID(body []byte) (ID, error) {
	id, err := ParseID(body)
	if s := id.String(); len(s) > 4*maxName || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		panic("an ID that prints badly: " + s)
	}
	if p, ok := id.Prefix(); ok {
		if again, ok := SubnetID(p).Prefix(); !ok || again != p {
			panic("a network that isn't itself: " + p.String())
		}
	}
	return id, err
}

// checkedConfiguration is ParseConfiguration, printing what was read.
func checkedConfiguration(body []byte) (Configuration, error) {
	c, err := ParseConfiguration(body)
	if len(c.Attributes) < 64 {
		_ = c.String()
	}
	return c, err
}

// FuzzMessage reads whole datagrams in clear: header, chain of payloads, each
// payload by its type.
func FuzzMessage(f *testing.F) {
	for _, name := range labSessions {
		for _, m := range readLab(f, name).Messages {
			if m.RepeatOf == nil {
				f.Add(m.clear())
			}
		}
	}
	f.Fuzz(checkDatagram)
}

// clear returns the message as one datagram that isn't encrypted.
func (m labMessage) clear() []byte {
	if m.Plaintext == nil {
		return m.Isakmp
	}
	h, _ := ParseHeader(m.Isakmp)
	h.Length = uint32(HeaderLen + len(m.Plaintext))
	return append(h.Append(nil), m.Plaintext...)
}

func checkDatagram(t *testing.T, datagram []byte) {
	var h Header
	var m *Message
	var err error
	n := allocated(func() {
		if h, err = ParseHeader(datagram); err == nil {
			m, err = ParseMessage(h, datagram[HeaderLen:h.Length])
		}
	})
	if n > maxAllocated {
		t.Errorf("%d octets allocated for %d", n, len(datagram))
	}
	if err != nil {
		return
	}
	if got := h.Append(nil); !bytes.Equal(got, datagram[:HeaderLen]) {
		t.Errorf("header % x, received % x", got, datagram[:HeaderLen])
	}
	again, err := ParseMessage(h, AppendPayloads(nil, m.Payloads))
	if err != nil {
		t.Fatalf("%s isn't read again: %v", m, err)
	}
	if !reflect.DeepEqual(m.Payloads, again.Payloads) {
		t.Errorf("(-first +again):\n%s", cmp.Diff(m.Payloads, again.Payloads))
	}
	for i := range m.Payloads {
		rest := AppendPayloads(nil, m.Payloads[i+1:])
		if got := m.After(i); len(got) != len(rest) || !bytes.HasSuffix(m.After(-1), got) {
			t.Errorf("after payload %d: %d octets, want %d", i, len(got), len(rest))
		}
	}
	for _, p := range m.Payloads {
		checkPayload(t, p)
	}
	_, _, _ = m.String(), m.Notation(true), m.Notation(false)
}

// checkPayload reads a payload's body as its type wants.
func checkPayload(t *testing.T, p Payload) {
	switch p.Type {
	case PayloadSA:
		checkParser(t, ParseSA, p.Body)
	case PayloadID, PayloadNATOA, PayloadNATOADraft:
		checkParser(t, checkedID, p.Body)
	case PayloadCert, PayloadCertReq:
		checkParser(t, ParseCert, p.Body)
	case PayloadNotify:
		checkParser(t, ParseNotify, p.Body)
	case PayloadDelete:
		checkParser(t, ParseDelete, p.Body)
	case PayloadConfiguration:
		checkParser(t, checkedConfiguration, p.Body)
	case PayloadFragment:
		checkParser(t, ParseFragment, p.Body)
	}
}

// The bodies that make each parser allocate most.
func TestAllocations(t *testing.T) {
	var transforms []Transform
	for range MaxTransforms {
		transforms = append(transforms, Transform{Attributes: attributes(MaxAttributes / MaxTransforms)})
	}
	spis := make([][]byte, MaxSPIs)
	for i := range spis {
		spis[i] = make([]byte, 63)
	}
	proposals := SA{DOI: DOIIPsec}
	for i := range transforms {
		proposals.Proposals = append(proposals.Proposals, Proposal{Transforms: transforms[i : i+1]})
	}
	zeros := make([]byte, maxBody)
	ones := bytes.Repeat([]byte{0xff}, maxBody)
	bodies := [][]byte{
		zeros,
		ones,
		proposals.Marshal(),
		SA{DOI: DOIIPsec, Proposals: []Proposal{{Transforms: transforms}}}.Marshal(),
		Delete{SPIs: spis}.Marshal(),
		append([]byte{0, 0, 0, 1, 3, 0, 0xff, 0xff}, zeros[:8]...),
		Configuration{Attributes: attributes(MaxAttributes)}.Marshal(),
		Configuration{Attributes: attributes(maxBody/4 - 1)}.Marshal(),
		AppendAttributes(nil, attributes(MaxAttributes)),
		append(AppendAttributes(nil, make([]Attribute, maxBody/4-1)), 1),
		ID{Type: IDDERASN1DN, Data: ones[:maxBody-4]}.Marshal(),
	}
	for i, body := range bodies {
		if len(body) > maxBody {
			t.Fatalf("body %d has %d octets", i, len(body))
		}
		for _, typ := range []PayloadType{PayloadSA, PayloadID, PayloadCert, PayloadNotify, PayloadDelete, PayloadConfiguration, PayloadFragment} {
			checkPayload(t, Payload{typ, body})
		}
	}
	chain := make([]Payload, 15<<10)
	h := header(PayloadVendorID)
	h.Length = HeaderLen + 60<<10
	for i := range chain {
		chain[i].Type = PayloadVendorID
	}
	checkDatagram(t, AppendPayloads(h.Append(nil), chain))
}
