package radius

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	codec "layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"
)

// Record is what accounting says about a session (RFC 2866, section 5).
type Record struct {
	Kind    Kind
	ID      string // Acct-Session-Id, the same in all of a session's records
	User    string
	Peer    netip.Addr // outside
	Address netip.Addr // inside; invalid: none yet
	Class   [][]byte   // of the Accept
	Local   bool       // it wasn't RADIUS that let the user in

	// Of Interim and Stop.
	Duration      time.Duration
	In, Out       uint64 // octets from the user, and to the user
	InPkt, OutPkt uint64 // packets; 0 and 0: not counted
	Cause         Cause  // of Stop
}

// Kind is Acct-Status-Type.
type Kind = rfc2866.AcctStatusType

// Kinds of records.
const (
	Start   = rfc2866.AcctStatusType_Value_Start
	Interim = rfc2866.AcctStatusType_Value_InterimUpdate
	Stop    = rfc2866.AcctStatusType_Value_Stop
)

// Cause is Acct-Terminate-Cause.
type Cause = rfc2866.AcctTerminateCause

// Causes of an end.
const (
	UserRequest    = rfc2866.AcctTerminateCause_Value_UserRequest
	LostCarrier    = rfc2866.AcctTerminateCause_Value_LostCarrier
	IdleTimeout    = rfc2866.AcctTerminateCause_Value_IdleTimeout
	SessionTimeout = rfc2866.AcctTerminateCause_Value_SessionTimeout
	NASRequest     = rfc2866.AcctTerminateCause_Value_NASRequest
)

// Account tells a server about a session. It returns when the server has it; an
// error says that none has.
func (c *Client) Account(ctx context.Context, r Record) error {
	return each(c.servers, (*server).acctPort, func(s *server) error {
		_, err := c.exchange(ctx, s.acct.address,
			func(from net.Addr) ([]byte, error) { return c.record(s, from, &r) }, s.judgeAccounting)
		return err
	})
}

// record is the Accounting-Request. Its authenticator covers it all, so that it needs
// no Message-Authenticator (RFC 2866, section 3).
func (c *Client) record(s *server, from net.Addr, r *Record) ([]byte, error) {
	p := codec.New(codec.CodeAccountingRequest, s.secret)
	add := func(t codec.Type, n uint64) { p.Add(t, codec.NewInteger(uint32(n))) }
	add(rfc2866.AcctStatusType_Type, uint64(r.Kind))
	if err := rfc2866.AcctSessionID_SetString(p, r.ID); err != nil {
		return nil, err
	}
	if err := rfc2865.UserName_SetString(p, r.User); err != nil {
		return nil, err
	}
	c.describe(p, from, r.Peer)
	if r.Address.Is4() {
		p.Add(rfc2865.FramedIPAddress_Type, r.Address.AsSlice())
		AddVendor(p, ClientAssignedIP, []byte(r.Address.String()))
	}
	for _, class := range r.Class {
		p.Add(rfc2865.Class_Type, class)
	}
	authentic := rfc2866.AcctAuthentic_Value_RADIUS
	if r.Local {
		authentic = rfc2866.AcctAuthentic_Value_Local
	}
	add(rfc2866.AcctAuthentic_Type, uint64(authentic))
	add(rfc2869.EventTimestamp_Type, uint64(time.Now().Unix()))
	if r.Kind != Start {
		add(rfc2866.AcctSessionTime_Type, uint64(r.Duration/time.Second))
		add(rfc2866.AcctInputOctets_Type, r.In&0xffffffff)
		add(rfc2866.AcctOutputOctets_Type, r.Out&0xffffffff)
		add(rfc2869.AcctInputGigawords_Type, r.In>>32)
		add(rfc2869.AcctOutputGigawords_Type, r.Out>>32)
	}
	if r.Kind != Start && r.InPkt+r.OutPkt > 0 {
		add(rfc2866.AcctInputPackets_Type, r.InPkt)
		add(rfc2866.AcctOutputPackets_Type, r.OutPkt)
	}
	if r.Kind == Stop && r.Cause != 0 {
		add(rfc2866.AcctTerminateCause_Type, uint64(r.Cause))
	}
	return p.Encode()
}

// judgeAccounting says whether b answers the Accounting-Request wire.
func (s *server) judgeAccounting(wire, b []byte) (*codec.Packet, error) {
	if !codec.IsAuthenticResponse(b, wire, s.secret) {
		return nil, ErrAuthenticator
	}
	p, err := codec.Parse(b, s.secret)
	if err == nil && p.Code != codec.CodeAccountingResponse {
		return nil, fmt.Errorf("the answer to an Accounting-Request is %v", p.Code)
	}
	return p, err
}
