package lanes

// transpose64 exchanges bit i of word j with bit j of word i, for all i and j.
func transpose64(b *[64]uint64) {
	for i := range 8 {
		transposeOctets(b, i)
	}
	for i := 0; i < 64; i += 8 {
		transposeBits(b, i)
	}
}

// exchange exchanges the bits of x that are n places above those of low with the
// bits of y at low.
func exchange(x, y uint64, n uint, low uint64) (uint64, uint64) {
	t := (x>>n ^ y) & low
	return x ^ t<<n, y ^ t
}

// transposeOctets exchanges octet k of word i+8*j with octet j of word i+8*k.
func transposeOctets(b *[64]uint64, i int) {
	a := (*[57]uint64)(b[i:])
	x0 := a[0]
	x1 := a[8]
	x2 := a[16]
	x3 := a[24]
	x4 := a[32]
	x5 := a[40]
	x6 := a[48]
	x7 := a[56]
	x0, x4 = exchange(x0, x4, 32, 1<<32-1)
	x1, x5 = exchange(x1, x5, 32, 1<<32-1)
	x2, x6 = exchange(x2, x6, 32, 1<<32-1)
	x3, x7 = exchange(x3, x7, 32, 1<<32-1)
	x0, x2 = exchange(x0, x2, 16, 0x0000ffff0000ffff)
	x1, x3 = exchange(x1, x3, 16, 0x0000ffff0000ffff)
	x4, x6 = exchange(x4, x6, 16, 0x0000ffff0000ffff)
	x5, x7 = exchange(x5, x7, 16, 0x0000ffff0000ffff)
	x0, x1 = exchange(x0, x1, 8, 0x00ff00ff00ff00ff)
	x2, x3 = exchange(x2, x3, 8, 0x00ff00ff00ff00ff)
	x4, x5 = exchange(x4, x5, 8, 0x00ff00ff00ff00ff)
	x6, x7 = exchange(x6, x7, 8, 0x00ff00ff00ff00ff)
	a[0] = x0
	a[8] = x1
	a[16] = x2
	a[24] = x3
	a[32] = x4
	a[40] = x5
	a[48] = x6
	a[56] = x7
}

// transposeBits exchanges bit k of the octets of word i+j with bit j of those of
// word i+k.
func transposeBits(b *[64]uint64, i int) {
	a := (*[8]uint64)(b[i:])
	x0 := a[0]
	x1 := a[1]
	x2 := a[2]
	x3 := a[3]
	x4 := a[4]
	x5 := a[5]
	x6 := a[6]
	x7 := a[7]
	x0, x4 = exchange(x0, x4, 4, 0x0f0f0f0f0f0f0f0f)
	x1, x5 = exchange(x1, x5, 4, 0x0f0f0f0f0f0f0f0f)
	x2, x6 = exchange(x2, x6, 4, 0x0f0f0f0f0f0f0f0f)
	x3, x7 = exchange(x3, x7, 4, 0x0f0f0f0f0f0f0f0f)
	x0, x2 = exchange(x0, x2, 2, 0x3333333333333333)
	x1, x3 = exchange(x1, x3, 2, 0x3333333333333333)
	x4, x6 = exchange(x4, x6, 2, 0x3333333333333333)
	x5, x7 = exchange(x5, x7, 2, 0x3333333333333333)
	x0, x1 = exchange(x0, x1, 1, 0x5555555555555555)
	x2, x3 = exchange(x2, x3, 1, 0x5555555555555555)
	x4, x5 = exchange(x4, x5, 1, 0x5555555555555555)
	x6, x7 = exchange(x6, x7, 1, 0x5555555555555555)
	a[0] = x0
	a[1] = x1
	a[2] = x2
	a[3] = x3
	a[4] = x4
	a[5] = x5
	a[6] = x6
	a[7] = x7
}
