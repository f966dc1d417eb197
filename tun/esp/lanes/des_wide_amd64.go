package lanes

import "slices"

// wideDES is DES with AVX-512, VBMI and GFNI: 64 lanes, an octet of each register
// a lane. It is constant in time.
type wideDES struct {
	passes               int
	encrypter, decrypter desWideKeys
	spare                [desBlock]byte // for lanes without work
}

// desWideKeys are the keys of one direction in the order in which the kernel
// takes them: an octet a box, in all four octets of a word. Each is what changes
// the key that a half block has to it already into the next one: before a pass
// the one for the half that is read, then 16 for the halves that f is added to;
// after the last pass one that takes away the key of the half that was read.
type desWideKeys [3*17 + 1][8]uint32

func newWideDES(rounds []desRound) *wideDES {
	d := &wideDES{passes: len(rounds) / 16}
	d.encrypter.prepare(rounds)
	backwards := slices.Clone(rounds)
	slices.Reverse(backwards)
	d.decrypter.prepare(backwards)
	return d
}

// prepare sets the keys for rounds.
func (k *desWideKeys) prepare(rounds []desRound) {
	var halves [2][8]uint32 // the key that L and R have to them
	n := 0
	change := func(half int, to [8]uint32) {
		for b := range to {
			k[n][b] = halves[half][b] ^ to[b]
		}
		halves[half] = to
		n++
	}
	key := func(i int) [8]uint32 {
		if i < len(rounds) {
			return rounds[i].octets()
		}
		return [8]uint32{}
	}
	for i := range rounds {
		pass, round := i/16, i%16
		added := (pass + round) % 2 // to which half f is added
		if round == 0 {
			change(1-added, key(i))
		}
		// The half is read in the next round, or, as they change places between two
		// passes, in the one after.
		next := i + 1
		if round == 15 {
			next++
		}
		change(added, key(next))
	}
	change(0, [8]uint32{})
}

// octets returns the key with each bit at its place.
func (r *desRound) octets() (key [8]uint32) {
	for b, places := range desPlaces {
		for i, place := range places {
			key[b] |= uint32(r[6*b+i]) << place * 0x01010101
		}
	}
	return key
}

// least: the kernel is constant in time, and a single lane takes less than twice
// the time of crypto/des; two are faster than there.
func (d *wideDES) least() int { return 1 }

// encrypt has idle lanes in the last group of eight repeat the first one: they
// read and write the same.
func (d *wideDES) encrypt(lanes []desLane, blocks int) {
	groups := (len(lanes) + 7) / 8
	all := (*[desWidth]desLane)(lanes[:desWidth])
	for i := len(lanes); i < 8*groups; i++ {
		all[i] = all[0]
	}
	desEncryptx64(&d.encrypter, d.passes, all, groups, blocks)
}

func (d *wideDES) decrypt(chunks []desLane) {
	groups := (len(chunks) + 7) / 8
	all := (*[desWidth]desLane)(chunks[:desWidth])
	for i := len(chunks); i < 8*groups; i++ {
		all[i] = desLane{data: d.spare[:0]}
	}
	desDecryptx64(&d.decrypter, d.passes, all, groups)
}

// desEncryptx64 encrypts that many blocks of 8*groups lanes, 1 to 8 groups. The
// lengths aren't looked at.
//
//go:noescape
func desEncryptx64(keys *desWideKeys, passes int, lanes *[desWidth]desLane, groups, blocks int)

// desDecryptx64 decrypts 8*groups chunks of 0 to 8 blocks, 1 to 8 groups.
//
//go:noescape
func desDecryptx64(keys *desWideKeys, passes int, chunks *[desWidth]desLane, groups int)
