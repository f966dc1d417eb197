package lanes

import "crypto/aes"

func newAES(key []byte) (CBC, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return newScalarCBC(block), nil
}
