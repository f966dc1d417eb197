package main

// #cgo LDFLAGS: -lcrypto
// #cgo CFLAGS: -O2 -Wno-deprecated-declarations
// #include <stdlib.h>
// #include "openssl.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"postern/tun/esp"
)

// openSSL holds OpenSSL's contexts for one security association, both directions of it.
type openSSL struct {
	s    *C.ossl
	size C.int // of the encrypted part of each packet
}

// errOpenSSL: a call of OpenSSL's failed; in open: a packet isn't authentic.
var errOpenSSL = errors.New("openssl: it failed")

func openSSLReady() error {
	if C.ossl_ready() == 0 {
		return errors.New("openssl: no default or no legacy provider")
	}
	return nil
}

// openSSLVersion is "OpenSSL 3.0.19 …".
func openSSLVersion() string { return C.GoString(C.OpenSSL_version(C.OPENSSL_VERSION)) }

// names are what OpenSSL calls a suite's cipher and hash; no hash with an AEAD.
func names(s esp.Suite) (cipher, hash string) {
	switch s.Encryption {
	case esp.DES:
		cipher = "DES-CBC"
	case esp.TripleDES:
		cipher = "DES-EDE3-CBC"
	case esp.AES:
		cipher = fmt.Sprintf("AES-%d-CBC", s.KeyBits)
	case esp.AESGCM16:
		cipher = fmt.Sprintf("AES-%d-GCM", s.KeyBits)
	}
	switch s.Integrity {
	case esp.HMACMD5:
		hash = "MD5"
	case esp.HMACSHA1:
		hash = "SHA1"
	case esp.HMACSHA256:
		hash = "SHA256"
	}
	return cipher, hash
}

// newOpenSSL makes contexts; both keys are KeyLengths long.
func newOpenSSL(s esp.Suite, l layout, key, macKey []byte) (*openSSL, error) {
	cipher, hash := names(s)
	c, h := C.CString(cipher), C.CString(hash)
	defer C.free(unsafe.Pointer(c))
	defer C.free(unsafe.Pointer(h))
	cipherKey := len(key)
	if hash == "" {
		cipherKey -= 4 // the salt
	}
	o := &openSSL{size: C.int(l.encrypted)}
	o.s = C.ossl_new(c, octets(key), C.int(cipherKey), h, octets(macKey), C.int(len(macKey)), C.uint(l.iv), C.uint(l.icv))
	if o.s == nil {
		return nil, fmt.Errorf("openssl: no %s with %q", cipher, hash)
	}
	return o, nil
}

func octets(b []byte) *C.uchar { return (*C.uchar)(unsafe.Pointer(unsafe.SliceData(b))) }

func (o *openSSL) seal(a *arena, spi, sequence uint32) error {
	return verdict(C.ossl_seal(o.s, octets(a.octets), stride, C.int(batch), o.size, C.uint(spi), C.uint(sequence)))
}

func (o *openSSL) open(a *arena) error {
	return verdict(C.ossl_open(o.s, octets(a.octets), stride, C.int(batch), o.size))
}

func (o *openSSL) macs(a *arena, size int) error {
	return verdict(C.ossl_macs(o.s, octets(a.octets), stride, C.int(batch), C.int(size)))
}

func (o *openSSL) cbc(a *arena, encrypt bool) error {
	direction := C.int(0)
	if encrypt {
		direction = 1
	}
	return verdict(C.ossl_cbc(o.s, direction, octets(a.octets), stride, C.int(batch), o.size))
}

func verdict(ok C.int) error {
	if ok == 0 {
		return errOpenSSL
	}
	return nil
}
