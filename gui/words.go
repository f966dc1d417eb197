package gui

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fyne.io/fyne/v2/lang"

	"postern/client/localapi"
)

// stateWords is a state in a person's words.
func stateWords(s localapi.State) string {
	switch s {
	case localapi.Resolving:
		return lang.L("Finding the gateway…")
	case localapi.Connecting:
		return lang.L("Negotiating keys…")
	case localapi.Authenticating:
		return lang.L("Logging in…")
	case localapi.WaitingForInput:
		return lang.L("Waiting for your answer")
	case localapi.Configuring:
		return lang.L("Opening the tunnel…")
	case localapi.Up:
		return lang.L("Connected")
	case localapi.Rekeying:
		return lang.L("Connected, renewing keys")
	case localapi.Reconnecting:
		return lang.L("Reconnecting…")
	case localapi.Failed:
		return lang.L("Connection failed")
	}
	return lang.L("Not connected")
}

// span is a length of time as a clock shows it: 0:07, 12:40, 3:05:09, 2 d 3:05:09.
func span(d time.Duration) string {
	s := int(max(d, 0) / time.Second)
	days, hours, minutes := s/86400, s/3600%24, s/60%60
	switch {
	case days > 0:
		return lang.L("{{.Days}} d {{.Clock}}", map[string]any{"Days": days, "Clock": fmt.Sprintf("%d:%02d:%02d", hours, minutes, s%60)})
	case hours > 0:
		return fmt.Sprintf("%d:%02d:%02d", hours, minutes, s%60)
	}
	return fmt.Sprintf("%d:%02d", minutes, s%60)
}

// octets is a number of octets in units of 1,000 (IEC 80000-13 leaves kB to them).
func octets(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	v, i := float64(n), 0
	for v >= 999.5 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f %s", v, units[i])
	}
	return fmt.Sprintf("%.0f %s", v, units[i])
}

// rate is octets a second in bits a second.
func rate(octetsPerSecond float64) string {
	units := []string{"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"}
	v, i := octetsPerSecond*8, 0
	for v >= 999.5 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if v < 9.95 && i > 0 {
		return fmt.Sprintf("%.1f %s", v, units[i])
	}
	return fmt.Sprintf("%.0f %s", v, units[i])
}

// list is several values, on one line as far as they are few.
func list[T fmt.Stringer](values []T) string {
	var words []string
	for _, v := range values {
		words = append(words, v.String())
	}
	return strings.Join(words, ", ")
}

// networks are what goes into the tunnel.
func networks(ps []netip.Prefix) string {
	for _, p := range ps {
		if p.Bits() == 0 {
			return lang.L("everything")
		}
	}
	if len(ps) == 0 {
		return lang.L("nothing")
	}
	return list(ps)
}

// cipherWords are the parts of a suite, such as aes256-sha256-modp2048, in plain words.
var cipherWords = map[string]string{
	"des": "DES", "3des": "Triple DES", "null": "no encryption",
	"aes128": "AES with 128 bits", "aes192": "AES with 192 bits", "aes256": "AES with 256 bits",
	"aes128gcm16": "AES-GCM with 128 bits", "aes192gcm16": "AES-GCM with 192 bits", "aes256gcm16": "AES-GCM with 256 bits",
	"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512", "sha256_96": "SHA-256 (96 bits)",
}

// cipher is a suite in plain words.
func cipher(suite string) string {
	parts := strings.Split(suite, "-")
	for i, p := range parts {
		if w, ok := cipherWords[p]; ok {
			parts[i] = w
		} else {
			parts[i] = strings.ToUpper(p)
		}
	}
	return strings.Join(parts, ", ")
}
