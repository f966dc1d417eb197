package main

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"

	"postern/tun/esp"
	"postern/tun/esp/lanes"
)

// An operation does one thing to a batch. Its time is measured without that of prepare.
type operation struct {
	subject string // a suite, or an algorithm alone
	what    string // seal, open; encrypt, decrypt; sum
	by      string // openssl, or a tier
	prepare func()
	do      func() error
}

const openSSLName = "openssl"

// suites are those of the table.
var suites = []esp.Suite{
	{Encryption: esp.AES, KeyBits: 128, Integrity: esp.HMACSHA1},
	{Encryption: esp.AES, KeyBits: 256, Integrity: esp.HMACSHA256},
	{Encryption: esp.AES, KeyBits: 128, Integrity: esp.HMACMD5},
	{Encryption: esp.TripleDES, Integrity: esp.HMACSHA1},
	{Encryption: esp.TripleDES, Integrity: esp.HMACMD5},
	{Encryption: esp.DES, Integrity: esp.HMACMD5},
	{Encryption: esp.AESGCM16, KeyBits: 128},
	{Encryption: esp.AESGCM16, KeyBits: 256},
}

// tiers are those that this CPU has.
func tiers() []lanes.Tier {
	var all []lanes.Tier
	for t := lanes.Pure; t <= lanes.Best(); t++ {
		all = append(all, t)
	}
	return all
}

const spi = 0x01020304

// keysOf counts up; single keys of 3DES differ.
func keysOf(s esp.Suite) (encryption, integrity []byte) {
	e, i := s.KeyLengths()
	all := make([]byte, e+i)
	for n := range all {
		all[n] = byte(n*37 + 5)
	}
	return all[:e], all[e:]
}

// suiteOperations are sealing and opening of whole packets, by OpenSSL and by every tier. What OpenSSL seals every tier
// opens, and the other way round: otherwise that is the error.
func suiteOperations(s esp.Suite) ([]operation, error) {
	l := layoutOf(s)
	key, macKey := keysOf(s)
	theirs, err := newOpenSSL(s, l, key, macKey)
	if err != nil {
		return nil, err
	}
	plain, sealed := newArena(), newArena()
	plain.random(1, l.body())
	sealed.copyFrom(plain)
	if err := theirs.seal(sealed, spi, 1); err != nil {
		return nil, err
	}
	work := newArena()
	all := []operation{
		{s.String(), "seal", openSSLName, func() { work.copyFrom(plain) }, func() error { return theirs.seal(work, spi, 1) }},
		{s.String(), "open", openSSLName, func() { work.copyFrom(sealed) }, func() error { return theirs.open(work) }},
	}
	for _, tier := range tiers() {
		ours, err := newOurs(s, tier, plain)
		if err != nil {
			return nil, err
		}
		if err := agree(ours, theirs, plain, sealed); err != nil {
			return nil, fmt.Errorf("%v, %v: %w", s, tier, err)
		}
		if ours, err = newOurs(s, tier, plain); err != nil { // its window is as new
			return nil, err
		}
		all = append(all,
			operation{s.String(), "seal", tier.String(), ours.prepareSeal, ours.seal},
			operation{s.String(), "open", tier.String(), ours.prepareOpen, ours.open})
	}
	return all, nil
}

// Ours is one security association of the product, both directions of it.
type ours struct {
	l       layout
	out     *esp.Outbound
	in      *esp.Inbound
	plain   *arena
	work    *arena
	opened  []esp.Opened
	packets [][]byte
}

func newOurs(s esp.Suite, tier lanes.Tier, plain *arena) (*ours, error) {
	if err := lanes.SetTier(tier); err != nil {
		return nil, err
	}
	key, macKey := keysOf(s)
	out, errOut := esp.NewOutbound(s, spi, key, macKey)
	in, errIn := esp.NewInbound(s, spi, key, macKey)
	return &ours{l: layoutOf(s), out: out, in: in, plain: plain, work: newArena(), opened: make([]esp.Opened, batch)}, errors.Join(errOut, errIn)
}

func (o *ours) prepareSeal() {
	o.work.copyFrom(o.plain)
	o.packets = o.work.slices(o.out.Offset() + inner)
}

func (o *ours) seal() error {
	_, err := o.out.SealBatch(o.packets)
	return err
}

// prepareOpen seals anew, for each number is opened once.
func (o *ours) prepareOpen() {
	o.prepareSeal()
	_ = o.seal() // what isn't sealed isn't opened
	o.packets = o.work.slices(o.l.total())
}

func (o *ours) open() error {
	o.in.OpenBatch(o.packets, o.opened)
	for i := range o.opened {
		if o.opened[i].Err != nil {
			return o.opened[i].Err
		}
	}
	return nil
}

// agree has each side open what the other sealed. sealed holds what theirs made of plain.
func agree(o *ours, theirs *openSSL, plain, sealed *arena) error {
	o.work.copyFrom(sealed)
	o.packets = o.work.slices(o.l.total())
	if err := o.open(); err != nil {
		return fmt.Errorf("opening what OpenSSL sealed: %w", err)
	}
	for i := range o.opened {
		if !bytes.Equal(o.opened[i].Inner, plain.inner(i, o.l)) {
			return fmt.Errorf("opening what OpenSSL sealed: packet %d is another", i)
		}
	}
	o.prepareSeal()
	if err := o.seal(); err != nil {
		return err
	}
	if err := theirs.open(o.work); err != nil {
		return fmt.Errorf("OpenSSL opening: %w", err)
	}
	for i := range batch {
		if !bytes.Equal(o.work.inner(i, o.l), plain.inner(i, o.l)) {
			return fmt.Errorf("OpenSSL opening: packet %d is another", i)
		}
	}
	return nil
}

func (a *arena) inner(i int, l layout) []byte { return a.octets[i*stride+l.body():][:inner] }

// macOperations are an HMAC alone, of what it covers in a packet with AES.
func macOperations(i esp.Integrity, h crypto.Hash) ([]operation, error) {
	s := esp.Suite{Encryption: esp.AES, KeyBits: 128, Integrity: i}
	l := layoutOf(s)
	key, macKey := keysOf(s)
	theirs, err := newOpenSSL(s, l, key, macKey)
	if err != nil {
		return nil, err
	}
	size, want, work := l.body()+l.encrypted, newArena(), newArena()
	want.random(2, 0)
	work.copyFrom(want)
	if err := theirs.macs(want, size); err != nil {
		return nil, err
	}
	messages := make([]lanes.Message, batch)
	for i, p := range work.slices(stride) {
		messages[i] = lanes.Message{Data: p[:size], Sum: p[size : size+l.icv]}
	}
	nothing := func() {}
	subject := "hmac-" + h.String()
	all := []operation{{subject, "sum", openSSLName, nothing, func() error { return theirs.macs(work, size) }}}
	for _, tier := range tiers() {
		if err := lanes.SetTier(tier); err != nil {
			return nil, err
		}
		mac := lanes.NewHMAC(h, macKey)
		sum := func() error { mac.Sum(messages); return nil }
		if _ = sum(); !bytes.Equal(work.octets, want.octets) {
			return nil, fmt.Errorf("%s, %v: another sum than OpenSSL's", subject, tier)
		}
		all = append(all, operation{subject, "sum", tier.String(), nothing, sum})
	}
	return all, nil
}

// cbcOperations are a cipher alone.
func cbcOperations(s esp.Suite, subject string, newCBC func(key []byte) (lanes.CBC, error)) ([]operation, error) {
	l := layoutOf(s)
	key, macKey := keysOf(s)
	theirs, err := newOpenSSL(s, l, key, macKey)
	if err != nil {
		return nil, err
	}
	plain, sealed, work := newArena(), newArena(), newArena()
	plain.random(3, 0)
	sealed.copyFrom(plain)
	if err := theirs.cbc(sealed, true); err != nil {
		return nil, err
	}
	jobs := make([]lanes.Job, batch)
	for i, p := range work.slices(stride) {
		jobs[i] = lanes.Job{IV: p[:l.iv], Data: p[l.iv : l.iv+l.encrypted]}
	}
	toPlain, toSealed := func() { work.copyFrom(plain) }, func() { work.copyFrom(sealed) }
	all := []operation{
		{subject, "encrypt", openSSLName, toPlain, func() error { return theirs.cbc(work, true) }},
		{subject, "decrypt", openSSLName, toSealed, func() error { return theirs.cbc(work, false) }},
	}
	for _, tier := range tiers() {
		if err := lanes.SetTier(tier); err != nil {
			return nil, err
		}
		cbc, err := newCBC(key)
		if err != nil {
			return nil, err
		}
		toPlain()
		cbc.Encrypt(jobs)
		same := bytes.Equal(work.octets, sealed.octets)
		cbc.Decrypt(jobs)
		if !same || !bytes.Equal(work.octets, plain.octets) {
			return nil, fmt.Errorf("%s, %v: another result than OpenSSL's", subject, tier)
		}
		all = append(all,
			operation{subject, "encrypt", tier.String(), toPlain, func() error { cbc.Encrypt(jobs); return nil }},
			operation{subject, "decrypt", tier.String(), toSealed, func() error { cbc.Decrypt(jobs); return nil }})
	}
	return all, nil
}
