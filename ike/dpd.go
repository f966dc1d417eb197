package ike

import (
	"encoding/binary"
	"time"

	"postern/ike/isakmp"
)

// Dead peer detection (RFC 3706). A probe is only sent when nothing was heard
// for a while, for traffic is proof of life; it belongs to the owner of the SA.
type dpd struct {
	sequence   uint32 // of the last probe
	unanswered int
	lastProbe  time.Time
	suspicious bool // a hint said that the peer forgot us
	wake       chan struct{}
}

const (
	probeEvery = 5 * time.Second // once a peer is suspected
	maxProbes  = 5               // unanswered: the peer is dead
)

// start returns the clock of the first look.
func (d *dpd) start(sa *SA) <-chan time.Time {
	d.sequence = random32() >> 1 // room to count up
	return sa.nextLook()
}

// nextLook is when to look again whether the peer lives.
func (sa *SA) nextLook() <-chan time.Time {
	if sa.cfg.DPD == 0 || !sa.info.DPD {
		return nil
	}
	if sa.dpd.unanswered > 0 {
		return time.After(probeEvery)
	}
	return time.After(max(sa.cfg.DPD-time.Since(sa.lastAlive()), time.Second))
}

// lastAlive is when the peer last proved that it lives.
func (sa *SA) lastAlive() time.Time {
	t := sa.link.lastHeard()
	if sa.cfg.Alive != nil {
		if a := sa.cfg.Alive(); a.After(t) {
			t = a
		}
	}
	return t
}

// probe looks after the peer: R-U-THERE if it has been silent, the end if it
// stays so.
func (sa *SA) probe() <-chan time.Time {
	d := &sa.dpd
	alive := sa.lastAlive()
	if d.unanswered > 0 && alive.After(d.lastProbe) {
		d.unanswered = 0
	}
	if d.unanswered == 0 && time.Since(alive) < sa.cfg.DPD && !d.suspicious {
		return sa.nextLook()
	}
	if d.unanswered >= maxProbes {
		sa.end(ErrDead)
		return nil
	}
	d.suspicious = false
	d.sequence++
	d.unanswered++
	d.lastProbe = time.Now()
	_ = sa.inform(sa.probePayload(isakmp.NotifyRUThere, uint32b(d.sequence)))
	return sa.nextLook()
}

// probePayload is an R-U-THERE or its ACK: the SPI is both cookies, the data the
// sequence number (RFC 3706, section 5.3).
func (sa *SA) probePayload(t isakmp.NotifyType, data []byte) isakmp.Payload {
	n := isakmp.Notify{
		DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: t, Data: data,
		SPI: append(append([]byte(nil), sa.info.CookieI[:]...), sa.info.CookieR[:]...),
	}
	return isakmp.Payload{Type: isakmp.PayloadNotify, Body: n.Marshal()}
}

// answerProbe answers every R-U-THERE with its own sequence number, repeated or
// not: some peers forget to raise it.
func (sa *SA) answerProbe(n isakmp.Notify) {
	if len(n.Data) == 4 {
		_ = sa.inform(sa.probePayload(isakmp.NotifyRUThereAck, n.Data))
	}
}

// acknowledged takes an ACK to any of the probes on their way.
func (d *dpd) acknowledged(n isakmp.Notify) {
	if len(n.Data) != 4 || d.unanswered == 0 {
		return
	}
	if behind := d.sequence - binary.BigEndian.Uint32(n.Data); behind < uint32(d.unanswered) {
		d.unanswered = 0
	}
}

// suspect makes the next look send a probe whatever was heard.
func (d *dpd) suspect() { d.suspicious = true }
