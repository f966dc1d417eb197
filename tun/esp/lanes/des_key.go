package lanes

// desRound is the key of one round: a bit an octet, K1 to K48 of FIPS 46-3.
type desRound [48]uint8

// desRounds returns the keys of all rounds in the order of encryption, 16 for a
// key of 8 octets, 48 for one of 24; decryption takes them backwards. Triple DES
// encrypts by E(K3) after D(K2) after E(K1) (FIPS 46-3, triple data encryption
// algorithm), and D is E with its rounds' keys backwards.
func desRounds(key []byte) []desRound {
	rounds := make([]desRound, 0, 2*len(key))
	for pass := 0; len(key) > 0; pass++ {
		keys := desSchedule(key[:8])
		key = key[8:]
		for i := range keys {
			if pass%2 == 1 {
				i = len(keys) - 1 - i
			}
			rounds = append(rounds, keys[i])
		}
	}
	return rounds
}

// desSchedule is the key schedule KS of FIPS 46-3, appendix 1.
func desSchedule(key []byte) (keys [16]desRound) {
	var c, d [28]uint8
	for i := range 28 {
		c[i] = desBit(key, pc1[i])
		d[i] = desBit(key, pc1[28+i])
	}
	shift := 0
	for n := range keys {
		shift += int(leftShifts[n])
		for i, from := range pc2 {
			from--
			if from < 28 {
				keys[n][i] = c[(int(from)+shift)%28]
			} else {
				keys[n][i] = d[(int(from)-28+shift)%28]
			}
		}
	}
	return keys
}

// desBit returns bit n of the standard: 1 is the high bit of the first octet.
func desBit(b []byte, n uint8) uint8 { return b[(n-1)/8] >> (7 - (n-1)%8) & 1 }

// The tables of the key schedule: FIPS 46-3, appendix 1.
var (
	pc1 = [56]uint8{
		57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18,
		10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
		63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22,
		14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
	}
	pc2 = [48]uint8{
		14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10,
		23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
		41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48,
		44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
	}
	leftShifts = [16]uint8{1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1}
)
