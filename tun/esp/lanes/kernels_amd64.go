package lanes

//go:generate go run -C gen . -to ..

// The kernels. Lane i of a hash is column i of state and works on data[i]; all
// lanes of a kernel are read, so data[i] of each must hold that many blocks of 64
// octets. Lane i of a CBC mode is chain[i], the IV and then the latest encrypted
// block, and data[i], which is overwritten in every lane.

//go:noescape
func md5x8(state *[8][16]uint32, data *[16]*byte, blocks int)

//go:noescape
func md5x16(state *[8][16]uint32, data *[16]*byte, blocks int)

//go:noescape
func sha1x8(state *[8][16]uint32, data *[16]*byte, blocks int)

//go:noescape
func sha1x16(state *[8][16]uint32, data *[16]*byte, blocks int)

//go:noescape
func sha256x16(state *[8][16]uint32, data *[16]*byte, blocks int)

//go:noescape
func sha256NIx2(state *[8][16]uint32, data *[16]*byte, blocks int)

//go:noescape
func aesEncryptx8(keys *[15][16]byte, rounds int, chain *[16][16]byte, data *[16]*byte, blocks int)

//go:noescape
func aesEncryptx16(keys *[15][16]byte, rounds int, chain *[16][16]byte, data *[16]*byte, blocks int)

// aesDecrypt decrypts one message.
//
//go:noescape
func aesDecrypt(keys *[15][16]byte, rounds int, iv, data *byte, blocks int)

//go:noescape
func aesDecryptWide(keys *[15][16]byte, rounds int, iv, data *byte, blocks int)

// aesSubWord is SubWord (FIPS 197, section 5.2).
func aesSubWord(word uint32) uint32

// aesInverseMixColumns is InvMixColumns (FIPS 197, section 5.3.3).
//
//go:noescape
func aesInverseMixColumns(key *[16]byte)
