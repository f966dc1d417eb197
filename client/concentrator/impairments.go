package concentrator

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/binary"
	"io"
	"slices"

	"postern/ike"
	"postern/ike/isakmp"
)

var impairments = []Impairment{
	// Phase 1.
	{"ke-omitted", "no KE payload", always(rehashed(without(isakmp.PayloadKE)))},
	{"ke-zero", "a KE payload of zeros", always(rehashed(with(isakmp.PayloadKE, func(b []byte) []byte { return make([]byte, len(b)) })))},
	{"ke-empty", "a KE payload without octets", always(rehashed(with(isakmp.PayloadKE, func([]byte) []byte { return nil })))},
	{"hash-omitted", "no HASH_R in phase 1", phase1Only(without(isakmp.PayloadHash))},
	{"signature-truncated", "SIG_R lacks its last four octets", phase1Only(with(isakmp.PayloadSig, func(b []byte) []byte { return b[:max(len(b)-4, 0)] }))},
	{"signature-hash-truncated", "what SIG_R signs is HASH_R cut to 16 octets", truncatedHash},
	{"transform-unoffered", "phase 1 is chosen with MD5, offered or not", phase1Only(attribute(isakmp.AttrHash, valued(isakmp.HashMD5)))},
	{"key-length-omitted", "phase 1 is chosen without a key length", phase1Only(attribute(isakmp.AttrKeyLength, omitted))},
	{"key-length-doubled", "phase 1 is chosen with the key length twice", phase1Only(attribute(isakmp.AttrKeyLength, twice))},
	{"key-length-zero", "phase 1 is chosen with a key length of 0", phase1Only(attribute(isakmp.AttrKeyLength, zero))},
	{"lifetime-zero", "phase 1 is chosen with a life time of 0", phase1Only(attribute(isakmp.AttrLifeDuration, zero))},

	// The login.
	{"early-status", "XAuth says that the user is in, before it asked for one", func(h *havoc, _ int) { h.login = append(h.login, earlyStatus) }},

	// Quick Mode.
	{"quick-hash-omitted", "no HASH in Quick Mode", quickOnly(without(isakmp.PayloadHash))},
	{"esp-transform-unoffered", "ESP is chosen with HMAC-MD5, offered or not", quickOnly(attribute(isakmp.ESPAttrAuth, valued(isakmp.AuthHMACMD5)))},
	{"esp-key-length-omitted", "ESP is chosen without a key length", quickOnly(attribute(isakmp.ESPAttrKeyLength, omitted))},
	{"esp-key-length-doubled", "ESP is chosen with the key length twice", quickOnly(attribute(isakmp.ESPAttrKeyLength, twice))},
	{"esp-key-length-zero", "ESP is chosen with a key length of 0", quickOnly(attribute(isakmp.ESPAttrKeyLength, zero))},
	{"esp-lifetime-zero", "ESP is chosen with a life time of 0", quickOnly(attribute(isakmp.ESPAttrLifeDuration, zero))},
	{"esp-spi-zero", "our SPI is 0", quickOnly(choosing(func(p *isakmp.Proposal, _ *isakmp.Transform) { p.SPI = make([]byte, 4) }))},
	{"ids-omitted", "Quick Mode has no ID payloads", quickOnly(without(isakmp.PayloadID))},
	{"id-missing", "Quick Mode has IDci alone", quickOnly(firstIDs(1))},
	{"id-extra", "Quick Mode has a third ID payload", quickOnly(extraID)},
	{"id-type", "the IDs of Quick Mode are of an unknown type", quickOnly(with(isakmp.PayloadID, func(b []byte) []byte { return retyped(b, 200) }))},
	{"id-short", "the IDs of Quick Mode are of type IPV4_ADDR_SUBNET with three octets", quickOnly(with(isakmp.PayloadID, func(b []byte) []byte {
		return append(retyped(b[:4], isakmp.IDIPv4Subnet), 10, 0, 0)
	}))},
	{"commit-bit", "Quick Mode has the commit bit, and CONNECTED never comes", quickOnly(func(o *ike.Outgoing) { o.Flags |= isakmp.FlagCommit })},

	// Any message.
	{"bogus-flags", "flags that no RFC knows", always(func(o *ike.Outgoing) { o.Flags |= 0xf8 })},
	{"lose=N", "the Nth message that we send an SA is lost once", func(h *havoc, n int) { h.alter = append(h.alter, numbered(n, losing())) }},
	{"repeat=N", "the Nth message that we send an SA is sent three times", func(h *havoc, n int) {
		h.alter = append(h.alter, numbered(n, func(ds [][]byte) [][]byte { return slices.Concat(ds, ds, ds) }))
	}},
	{"fragments-backwards", "whatever doesn't fit into 256 octets goes in fragments, the last first and each twice", backwards},

	// What is said beside.
	{"clear-notifies", "with each message go error notifies in clear", always(beside(clearNotifies))},
	{"clear-deletes", "with each message go Deletes in clear, of the SA and of ESP SAs", always(beside(clearDeletes))},
	{"flood", "with each message go 200 datagrams of junk under its cookies, and 2,000 notifies that mean nothing once there is a child", flood},
	{"inform-hash-omitted", "a Delete of the SA without HASH, once there is a child", func(h *havoc, _ int) {
		h.alter = append(h.alter, func(o *ike.Outgoing) {
			if o.Exchange == isakmp.ExchangeInformational {
				without(isakmp.PayloadHash)(o)
			}
		})
		h.up = append(h.up, func(_ context.Context, c *client, _ *child) { _, _ = c.sa.Inform(deleteSA(c.sa)) })
	}},
	{"two-deletes", "two Deletes of one child in one message, once there is one", once(func(c *client, ch *child) []isakmp.Payload {
		return []isakmp.Payload{deleteESP(ch.inbound), deleteESP(ch.inbound)}
	})},
	{"notify-after-delete", "a Delete of the SA and, behind it in the message, notifies, once there is a child", once(func(c *client, _ *child) []isakmp.Payload {
		return []isakmp.Payload{deleteSA(c.sa), notify(isakmp.NotifyInitialContact, nil), notify(isakmp.NotifyInvalidSPI, nil)}
	})},
	{"delete-unknown", "Deletes of ESP SAs that never were, once there is a child", once(func(_ *client, ch *child) []isakmp.Payload {
		return []isakmp.Payload{deleteESP(^ch.inbound), deleteESP(0), deleteESP(1)}
	})},
	{"redirect", "once there is a child, the client is sent to 203.0.113.99", once(func(*client, *child) []isakmp.Payload {
		return []isakmp.Payload{notify(isakmp.NotifyUnityLoadBalance, elsewhere.AsSlice())}
	})},
}

func rehashed(f func(*ike.Outgoing)) func(*ike.Outgoing) {
	return func(o *ike.Outgoing) { f(o); o.Rehash() }
}

// shortSigner signs the beginning of what it is given.
type shortSigner struct{ crypto.Signer }

func (s shortSigner) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return s.Signer.Sign(r, digest[:min(len(digest), 16)], o)
}

func truncatedHash(h *havoc, _ int) {
	h.meet = append(h.meet, func(cfg *ike.Config) {
		cfg.Credentials = slices.Clone(cfg.Credentials)
		for i, c := range cfg.Credentials {
			cfg.Credentials[i].Key = shortSigner{c.Key}
		}
	})
}

func earlyStatus(ctx context.Context, sa *ike.SA) error {
	_, err := sa.Transact(ctx, isakmp.Configuration{
		Type: isakmp.CfgSet, Attributes: []isakmp.Attribute{isakmp.TV(isakmp.AttrXAuthStatus, isakmp.XAuthOK)},
	})
	return err
}

func firstIDs(n int) func(*ike.Outgoing) {
	return func(o *ike.Outgoing) {
		seen := 0
		o.Payloads = slices.DeleteFunc(o.Payloads, func(p isakmp.Payload) bool {
			if p.Type == isakmp.PayloadID {
				seen++
			}
			return p.Type == isakmp.PayloadID && seen > n
		})
	}
}

func extraID(o *ike.Outgoing) {
	for _, p := range o.Payloads {
		if p.Type == isakmp.PayloadID {
			o.Payloads = append(o.Payloads, p)
			return
		}
	}
}

// retyped is the body of an ID payload with another type.
func retyped(body []byte, t isakmp.IDType) []byte {
	b := bytes.Clone(body)
	b[0] = byte(t)
	return b
}

// numbered has a say in the datagrams of the nth message that an SA sends.
func numbered(n int, f func([][]byte) [][]byte) func(*ike.Outgoing) {
	count := make(chan int, 1) // an SA's exchanges have a goroutine each
	count <- 0
	return func(o *ike.Outgoing) {
		k := <-count + 1
		count <- k
		if k == n {
			o.Datagrams = f
		}
	}
}

func losing() func([][]byte) [][]byte {
	lost := false
	return func(ds [][]byte) [][]byte {
		if !lost {
			lost = true
			return nil
		}
		return ds
	}
}

func backwards(h *havoc, _ int) {
	h.meet = append(h.meet, func(cfg *ike.Config) { cfg.FragmentSize = 1 }) // the least that there is
	h.alter = append(h.alter, func(o *ike.Outgoing) {
		o.Datagrams = func(ds [][]byte) [][]byte {
			var all [][]byte
			for _, d := range slices.Backward(ds) {
				all = append(all, d, d)
			}
			return all
		}
	})
}

// beside sends more datagrams behind those of each message, made of its header.
func beside(f func(isakmp.Header) [][]byte) func(*ike.Outgoing) {
	return func(o *ike.Outgoing) {
		before := o.Datagrams
		o.Datagrams = func(ds [][]byte) [][]byte {
			if before != nil {
				ds = before(ds)
			}
			if len(ds) == 0 {
				return ds
			}
			h, err := isakmp.ParseHeader(ds[0])
			if err != nil {
				return ds
			}
			return slices.Concat(ds, f(h))
		}
	}
}

// inClear is an Informational message of an SA without protection.
func inClear(h isakmp.Header, payloads ...isakmp.Payload) []byte {
	h.Exchange, h.Flags, h.NextPayload, h.MessageID = isakmp.ExchangeInformational, 0, payloads[0].Type, random32()
	body := isakmp.AppendPayloads(nil, payloads)
	h.Length = uint32(isakmp.HeaderLen + len(body))
	return append(h.Append(nil), body...)
}

func random32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}

func clearNotifies(h isakmp.Header) (ds [][]byte) {
	for _, t := range []isakmp.NotifyType{
		isakmp.NotifyNoProposalChosen, isakmp.NotifyInvalidCookie, isakmp.NotifyPayloadMalformed, isakmp.NotifyAuthenticationFailed,
		isakmp.NotifyInvalidSPI, isakmp.NotifyInitialContact, isakmp.NotifyConnected, isakmp.NotifyUnityLoadBalance,
	} {
		ds = append(ds, inClear(h, notify(t, elsewhere.AsSlice())))
	}
	return ds
}

func clearDeletes(h isakmp.Header) [][]byte {
	own := slices.Concat(h.InitiatorCookie[:], h.ResponderCookie[:])
	sa := isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{own}}
	return [][]byte{
		inClear(h, isakmp.Payload{Type: isakmp.PayloadDelete, Body: sa.Marshal()}), inClear(h, deleteESP(random32())),
	}
}

// flood's junk looks like encrypted messages of the SA.
// The first answer goes alone, for a responder never sends three times what it got.
func flood(h *havoc, _ int) {
	const junk, notifies = 200, 2000
	more := beside(func(h isakmp.Header) (ds [][]byte) {
		h.Flags = isakmp.FlagEncryption
		for i := range junk {
			h.MessageID, h.Exchange = random32(), []isakmp.ExchangeType{isakmp.ExchangeInformational, isakmp.ExchangeTransaction, isakmp.ExchangeQuick}[i%3]
			body := make([]byte, 16*(1+i%8))
			_, _ = rand.Read(body)
			h.Length = uint32(isakmp.HeaderLen + len(body))
			ds = append(ds, append(h.Append(nil), body...))
		}
		return ds
	})
	h.alter = append(h.alter, func(o *ike.Outgoing) {
		if o.MessageID != 0 || o.Number > 2 {
			more(o)
		}
	})
	h.up = append(h.up, func(ctx context.Context, c *client, _ *child) {
		for range notifies {
			if _, err := c.sa.Inform(notify(isakmp.NotifyUnityHeartbeat, nil)); err != nil || ctx.Err() != nil {
				return
			}
		}
	})
}

// once says something under the SA when there is a child.
func once(f func(*client, *child) []isakmp.Payload) func(*havoc, int) {
	return func(h *havoc, _ int) {
		h.up = append(h.up, func(_ context.Context, c *client, ch *child) { _, _ = c.sa.Inform(f(c, ch)...) })
	}
}

func notify(t isakmp.NotifyType, data []byte) isakmp.Payload {
	n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: t, Data: data}
	return isakmp.Payload{Type: isakmp.PayloadNotify, Body: n.Marshal()}
}

func deleteESP(spi uint32) isakmp.Payload {
	d := isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, SPIs: [][]byte{binary.BigEndian.AppendUint32(nil, spi)}}
	return isakmp.Payload{Type: isakmp.PayloadDelete, Body: d.Marshal()}
}

func deleteSA(sa *ike.SA) isakmp.Payload {
	i := sa.Info()
	d := isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPIs: [][]byte{slices.Concat(i.CookieI[:], i.CookieR[:])}}
	return isakmp.Payload{Type: isakmp.PayloadDelete, Body: d.Marshal()}
}
