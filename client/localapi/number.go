package localapi

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
)

// GroupNumber is the number of a group in Caller.GIDs for the identifier that package os/user gives: a number on Unix, a
// SID on Windows. ok is false for what is neither.
func GroupNumber(id string) (n uint32, ok bool) {
	if strings.HasPrefix(id, "S-1-") {
		return number(id), true
	}
	all, err := strconv.ParseUint(id, 10, 32)
	return uint32(all), err == nil
}

// number stands for a Windows SID. Chosen here: four octets of its SHA-256, and never 0, which is the administrator.
func number(sid string) uint32 {
	sum := sha256.Sum256([]byte(sid))
	return max(1, binary.BigEndian.Uint32(sum[:]))
}
