package ike

import (
	"encoding/binary"
	"time"

	"postern/ike/isakmp"
)

// Dead peer detection (RFC 3706). A probe is only sent when nothing was heard
// for a while, for traffic is proof of life; it belongs to the owner of the SA.
type dpd struct {
	clock      *time.Timer // of the next look; stopped where the peer isn't probed
	sequence   uint32      // of the last probe
	unanswered int
	lastProbe  time.Time
	suspicious bool // a hint said that the peer forgot us
}

// Chosen here: with this many probes a line that loses three of ten datagrams
// each way is taken for dead once in 400 times.
const (
	maxProbes = 9                      // unanswered: the peer is dead
	suspected = 3                      // unanswered: Config.Suspect hears of it
	hintPace  = 500 * time.Millisecond // between the first of them after a hint
	hintPause = 5 * time.Second        // a hint soon after a probe says nothing
)

func newDPD() dpd {
	d := dpd{clock: time.NewTimer(time.Hour), sequence: random32() >> 1} // room to count up
	d.clock.Stop()
	return d
}

// probes says whether the peer is probed at all.
func (sa *SA) probes() bool { return sa.cfg.DPD > 0 && sa.info.DPD }

// planLook sets the clock.
func (sa *SA) planLook() {
	if !sa.probes() {
		return
	}
	pause := max(sa.cfg.DPD-time.Since(sa.lastAlive()), time.Second)
	if sa.dpd.unanswered > 0 {
		pause = min(max(sa.cfg.DPD/5, time.Second), 5*time.Second)
		if sa.dpd.suspicious && (sa.cfg.Suspect == nil || sa.dpd.unanswered <= suspected) {
			pause = hintPace
		}
	}
	sa.dpd.clock.Reset(pause)
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

// look looks after the peer: R-U-THERE if it has been silent, the end if it
// stays so.
func (sa *SA) look() {
	d := &sa.dpd
	alive := sa.lastAlive()
	if d.unanswered > 0 && alive.After(d.lastProbe) {
		d.answered()
	}
	if sa.cfg.Unsettled != nil && sa.cfg.Unsettled() {
		if d.suspicious {
			sa.probe()
		}
		d.answered()
		sa.planLook()
		return
	}
	idle := time.Since(alive) >= sa.cfg.DPD
	if d.unanswered == suspected && sa.cfg.Suspect != nil {
		sa.cfg.Suspect(sa)
	}
	switch {
	case d.unanswered == maxProbes:
		sa.end(ErrDead)
	case d.unanswered > 0 || d.suspicious || idle:
		sa.probe()
	}
	sa.planLook()
}

func (sa *SA) probe() {
	d := &sa.dpd
	d.sequence++
	d.unanswered++
	d.lastProbe = time.Now()
	_ = sa.inform(sa.probePayload(isakmp.NotifyRUThere, uint32b(d.sequence)))
}

// Probes says whether the peer is probed at all: it speaks RFC 3706, and so do we.
func (sa *SA) Probes() bool { return sa.probes() }

// Suspect says that something hints at a peer that has forgotten us. It is asked
// at once whether it lives, unless it was a moment ago. Suspect doesn't wait, and
// any goroutine may call it: hints can come in floods.
func (sa *SA) Suspect() {
	select {
	case sa.hinted <- struct{}{}:
	default:
	}
}

// Probe asks the peer at once whether it lives, whatever was heard of it: our
// network has changed, or the machine slept.
func (sa *SA) Probe() {
	sa.call(func() {
		if sa.probes() {
			sa.dpd.unanswered, sa.dpd.suspicious = 0, true
			sa.dpd.clock.Reset(0)
		}
	})
}

// suspect makes the next look come at once and probe whatever was heard. Anybody
// can send hints, so they do so now and then only.
func (sa *SA) suspect() {
	d := &sa.dpd
	if sa.probes() && d.unanswered == 0 && time.Since(d.lastProbe) > hintPause {
		d.suspicious = true
		d.clock.Reset(0)
	}
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
		d.answered()
	}
}

func (d *dpd) answered() { d.unanswered, d.suspicious = 0, false }
