package radiusserver

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
)

// Code is the one-time code of six digits that a token with that seed shows the n-th
// time, from 0 on. SecurID's own algorithm isn't public; for its dialogues any code
// does that is good but once. RFC 4226, section 5.3
func Code(seed []byte, n uint64) string {
	h := hmac.New(sha1.New, seed)
	h.Write(binary.BigEndian.AppendUint64(nil, n))
	mac := h.Sum(nil)
	at := mac[len(mac)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(mac[at:])&0x7fffffff%1000000)
}
