package lanes

import "crypto/des"

// NewDES returns DES-CBC under a key of 8 octets; parity bits are ignored.
func NewDES(key []byte) (CBC, error) {
	block, err := des.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return newScalarCBC(block), nil
}

// NewTripleDES returns 3DES-CBC under a key of 24 octets; parity bits are
// ignored.
func NewTripleDES(key []byte) (CBC, error) {
	block, err := des.NewTripleDESCipher(key)
	if err != nil {
		return nil, err
	}
	return newScalarCBC(block), nil
}
