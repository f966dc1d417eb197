package main

import (
	"math"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"postern/tun/esp/lanes/gen/des"
)

// boxWriter writes the circuit of a box, gate by gate. It hands out the registers:
// if none is free, the value that is needed last goes to memory.
type boxWriter struct {
	*slicedDES
	number  int
	circuit *des.Circuit
	uses    [][]int  // the gates that need each gate's value still
	in      [16]int  // which gate's value a register has, or -1
	locked  [16]bool // the registers of the gate that is being written
	where   []int    // which register has a gate's value, or -1
	slots   []int    // where a gate's value is in memory, or -1
	free    []bool   // the slots
	unread  []int    // slots that are free after this gate
}

// box writes L ^= P(S(E(R) ^ K)) for one box.
func (s *slicedDES) box(number int) {
	c := s.boxes[number]
	w := &boxWriter{
		slicedDES: s, number: number, circuit: c,
		uses: make([][]int, len(c.Gates)), where: make([]int, len(c.Gates)), slots: make([]int, len(c.Gates)),
		free: make([]bool, 64),
	}
	for i := range w.in {
		w.in[i] = -1
	}
	for i := range w.free {
		w.free[i] = true
	}
	for i, g := range c.Gates {
		w.where[i], w.slots[i] = -1, -1
		if g.Op == des.Input6 {
			continue
		}
		w.uses[g.A] = append(w.uses[g.A], i)
		if g.Op != des.Not {
			w.uses[g.B] = append(w.uses[g.B], i)
		}
	}
	for i, g := range c.Gates {
		if g.Op != des.Input6 {
			w.gate(i, g)
		}
	}
}

// gate writes gate i and, if it is an output, what becomes of it.
func (w *boxWriter) gate(i int, g des.Gate) {
	// The second operand may be in memory; that of AndNot is the one that isn't
	// inverted.
	first, second := g.A, g.B
	switch {
	case g.Op == des.AndNot:
		first, second = g.B, g.A
	case g.Op != des.Not && w.inMemory(first) && !w.inMemory(second):
		first, second = second, first
	}
	a := w.load(first)
	var b Op = w.ones
	if g.Op != des.Not {
		if b = w.memory(second); b == nil {
			b = w.load(second)
		}
	}
	w.used(g.A, i)
	if g.Op != des.Not {
		w.used(g.B, i)
	}
	to := w.register(i)
	switch g.Op {
	case des.And:
		w.VPAND(b, a, to)
	case des.Or:
		w.VPOR(b, a, to)
	case des.Xor, des.Not:
		w.VPXOR(b, a, to)
	case des.AndNot:
		w.VPANDN(b, a, to)
	}
	w.locked = [16]bool{}
	for _, m := range w.unread {
		w.free[m] = true
	}
	w.unread = w.unread[:0]
	w.output(i, to)
}

// output adds gate i to L if it is an output of the box.
func (w *boxWriter) output(i int, value reg.Register) {
	for bit, g := range w.circuit.Outputs {
		if g != i {
			continue
		}
		l := w.half(des.Output(w.number, bit))
		sum := value
		if len(w.uses[i]) > 0 {
			w.locked[w.where[i]] = true
			sum = w.register(-1)
			w.locked = [16]bool{}
		}
		w.VPXOR(l, value, sum)
		w.VMOVDQA(sum, l)
	}
	if len(w.uses[i]) == 0 {
		w.drop(i)
	}
}

// inMemory reports whether a value is in memory only.
func (w *boxWriter) inMemory(g int) bool { return w.where[g] < 0 && w.slots[g] >= 0 }

// memory returns the place of a value that is in memory only.
func (w *boxWriter) memory(g int) Op {
	if !w.inMemory(g) {
		return nil
	}
	return w.word(w.slots[g])
}

// load returns the register with a value, which stays there for this gate.
func (w *boxWriter) load(g int) reg.Register {
	if r := w.where[g]; r >= 0 {
		w.locked[r] = true
		return ymm[r]
	}
	r := w.register(g)
	if m := w.slots[g]; m >= 0 {
		w.VMOVDQA(w.word(m), r)
	} else {
		w.VPBROADCASTQ(Mem{Base: w.key, Disp: 8 * (6*w.number + g)}, r)
		w.VPXOR(w.half(32+des.Input(w.number, g)), r, r)
	}
	w.locked[w.where[g]] = true
	return r
}

// used notes that gate i has used a value, and drops it if that was the last use.
func (w *boxWriter) used(g, i int) {
	for len(w.uses[g]) > 0 && w.uses[g][0] <= i {
		w.uses[g] = w.uses[g][1:]
	}
	if len(w.uses[g]) == 0 {
		w.drop(g)
	}
}

// drop forgets a value.
func (w *boxWriter) drop(g int) {
	if r := w.where[g]; r >= 0 {
		w.in[r] = -1
		w.locked[r] = false
		w.where[g] = -1
	}
	if m := w.slots[g]; m >= 0 {
		w.unread = append(w.unread, m)
		w.slots[g] = -1
	}
}

// register returns a register for the value of gate g, or for a moment if g is
// -1. What it had goes to memory if it is needed and isn't there.
func (w *boxWriter) register(g int) reg.Register {
	best, last := -1, -1
	for r, has := range w.in {
		next := math.MaxInt
		if has >= 0 {
			next = w.uses[has][0]
		}
		if !w.locked[r] && next > last {
			best, last = r, next
		}
	}
	if has := w.in[best]; has >= 0 {
		if w.slots[has] < 0 {
			w.spill(has, best)
		}
		w.where[has] = -1
	}
	w.in[best] = g
	if g >= 0 {
		w.where[g] = best
	}
	return ymm[best]
}

// spill stores the value of gate g.
func (w *boxWriter) spill(g, r int) {
	for m, free := range w.free {
		if free {
			w.free[m], w.slots[g] = false, m
			w.VMOVDQA(ymm[r], w.word(m))
			return
		}
	}
	panic("gen: no slot is free")
}
