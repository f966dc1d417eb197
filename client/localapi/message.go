package localapi

import (
	"io"
	"sync"
)

// message is a request's body, which may have secrets: a transport that still reads it
// when the answer is there finds it empty.
type message struct {
	mu     sync.Mutex
	octets []byte
}

// open returns a reader from the beginning.
func (m *message) open() (io.ReadCloser, error) { return &messageReader{m: m}, nil }

// clear overwrites it with zeros.
func (m *message) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.octets)
	m.octets = nil
}

type messageReader struct {
	m    *message
	read int
}

func (r *messageReader) Read(p []byte) (int, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.read >= len(r.m.octets) {
		return 0, io.EOF
	}
	n := copy(p, r.m.octets[r.read:])
	r.read += n
	return n, nil
}

func (r *messageReader) Close() error { return nil }
