package des

// view is a net and what is wanted of it: a gate that agrees with t where mask
// has ones. t is zero elsewhere.
type view struct {
	s       *search
	net     *net
	t, mask uint64

	first  int        // the gate to begin with
	above  []int      // gates that are one wherever t is
	below  []int      // gates that are zero wherever t is
	places [256]uint8 // a hash table of the gates' truth tables under mask: gate+1
	memory [2][maxGates]int
}

// none returns a gate that is there.
func (v *view) none() int {
	for i := range v.net.n {
		if v.net.table[i]&v.mask == v.t {
			return i
		}
	}
	return -1
}

// inverted returns the inverse of a gate that is there.
func (v *view) inverted() int {
	for i := range v.net.n {
		if ^v.net.table[i]&v.mask == v.t {
			return v.s.add(v.net, Not, i, i)
		}
	}
	return -1
}

// index sorts the gates for one and two.
func (v *view) index() {
	n := v.net.n
	v.first = v.s.random.below(n)
	v.above, v.below = v.memory[0][:0], v.memory[1][:0]
	for k := range n {
		i := (k + v.first) % n
		x := v.net.table[i] & v.mask
		if v.t&^x == 0 {
			v.above = append(v.above, i)
		}
		if x&^v.t == 0 {
			v.below = append(v.below, i)
		}
	}
	for i := range n {
		h := hash(v.net.table[i] & v.mask)
		for v.places[h] != 0 {
			h++
		}
		v.places[h] = uint8(i + 1)
	}
}

func hash(x uint64) uint8 { return uint8(x * 0x9e3779b97f4a7c15 >> 56) }

// find returns the gate that is x under the mask.
func (v *view) find(x uint64) int {
	for h := hash(x); v.places[h] != 0; h++ {
		if i := int(v.places[h]) - 1; v.net.table[i]&v.mask == x {
			return i
		}
	}
	return -1
}

// one looks for t as one new gate.
func (v *view) one() int {
	table := &v.net.table
	for x, a := range v.above {
		for _, b := range v.above[:x] {
			if table[a]&table[b]&v.mask == v.t {
				return v.s.add(v.net, And, a, b)
			}
		}
	}
	for x, a := range v.below {
		for _, b := range v.below[:x] {
			if (table[a]|table[b])&v.mask == v.t {
				return v.s.add(v.net, Or, a, b)
			}
		}
	}
	for k := range v.net.n {
		a := (k + v.first) % v.net.n
		if b := v.find(table[a]&v.mask ^ v.t); b >= 0 {
			return v.s.add(v.net, Xor, a, b)
		}
	}
	if v.s.andNot {
		for _, a := range v.above {
			for b := range v.net.n {
				if table[a]&^table[b]&v.mask == v.t {
					return v.s.add(v.net, AndNot, a, b)
				}
			}
		}
	}
	return -1
}

// two looks for t as two new gates: the second one has the first for an input.
func (v *view) two() int {
	ops := []Op{And, Or, Xor, AndNot}
	if !v.s.andNot {
		ops = ops[:3]
	}
	n := v.net.n
	for k := range n {
		a := (k + v.first) % n
		for b := range n {
			for _, o := range ops {
				if b == a || o != AndNot && b > a {
					continue
				}
				x := apply(o, v.net.table[a], v.net.table[b]) & v.mask
				if second, c, swap := v.second(x); c >= 0 {
					first := v.s.add(v.net, o, a, b)
					if swap {
						return v.s.add(v.net, second, c, first)
					}
					return v.s.add(v.net, second, first, c)
				}
			}
		}
	}
	return -1
}

// second looks for an operation that makes t of x, which is masked, and a gate c;
// swap says that x is its second operand. No such gate: c is -1.
func (v *view) second(x uint64) (o Op, c int, swap bool) {
	table := &v.net.table
	if v.t&^x == 0 {
		for _, c := range v.above {
			if x&table[c] == v.t {
				return And, c, false
			}
		}
		for c := 0; v.s.andNot && c < v.net.n; c++ {
			if x&^table[c] == v.t {
				return AndNot, c, false
			}
		}
	}
	if x&^v.t == 0 {
		for _, c := range v.below {
			if x|table[c]&v.mask == v.t {
				return Or, c, false
			}
		}
	}
	if c := v.find(x ^ v.t); c >= 0 {
		return Xor, c, false
	}
	if v.s.andNot {
		for _, c := range v.above {
			if table[c]&^x&v.mask == v.t {
				return AndNot, c, true
			}
		}
	}
	return 0, -1, false
}
