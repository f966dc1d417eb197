package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

// slice is how much CPU time one operation gets in a round, in nanoseconds.
const slice = 2_000_000

// threadTime is CLOCK_THREAD_CPUTIME_ID, in nanoseconds: what other threads do meanwhile doesn't count.
func threadTime() int64 {
	const clockThreadCPUTimeID = 3
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPUTimeID, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

// A measurement holds nanoseconds a packet, by operation and round.
type measurement struct {
	operations []operation
	times      [][]float64
}

func measure(operations []operation, rounds int) (*measurement, error) {
	m := &measurement{operations, make([][]float64, len(operations))}
	clock := costOfClock()
	for i := range operations {
		if _, err := one(operations[i], clock); err != nil { // warms up
			return nil, err
		}
	}
	for round := range rounds {
		for n := range operations {
			i := (n + round*7) % len(operations)
			t, err := one(operations[i], clock)
			if err != nil {
				return nil, err
			}
			m.times[i] = append(m.times[i], t)
		}
	}
	return m, nil
}

// one runs an operation for a slice, and returns its nanoseconds a packet.
func one(o operation, clock int64) (float64, error) {
	var spent int64
	batches := 0
	for ; spent < slice; batches++ {
		o.prepare()
		before := threadTime()
		err := o.do()
		spent += max(1, threadTime()-before-clock)
		if err != nil {
			return 0, fmt.Errorf("%s, %s by %s: %w", o.subject, o.what, o.by, err)
		}
	}
	return float64(spent) / float64(batches*batch), nil
}

// costOfClock is what two readings of the clock are apart when nothing lies between.
func costOfClock() int64 {
	least := int64(1 << 40)
	for range 1000 {
		before := threadTime()
		least = min(least, threadTime()-before)
	}
	return least
}
