package iketest

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/ike"
)

// Flow is what one end said and heard in a whole connection with a real peer. Its
// file is meant to be read:
//
//	# what it is about
//	[setup]
//	seed = 1
//	[messages]
//	# HDR, SA, VID
//	-> 0.000 192.0.2.10:500 192.0.2.1:500
//	   0f1e2d3c4b5a6978…
//	[outcome]
//	mode: main mode
//
// An arrow to the right is a message of ours. Behind it stand the seconds since
// the beginning, our address, the peer's, and "marker" where the non-ESP marker was
// before the message.
type Flow struct {
	About    string            // one line or several
	Setup    map[string]string // what both ends were configured with, and the seed of our randomness
	Messages []FlowMessage
	Outcome  []string // what our end made of it
}

// FlowMessage is one datagram of a flow, without the non-ESP marker.
type FlowMessage struct {
	Sent     bool          // by our end
	At       time.Duration // since the beginning
	Path     ike.Path      // as our end sees it
	Notation string        // "HDR*, HASH_I"; for the reader only
	Octets   []byte
}

const lineOctets = 32

// WriteTo writes the flow's file.
func (f *Flow) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	for line := range strings.Lines(f.About) {
		fmt.Fprintf(&b, "# %s\n", strings.TrimSpace(line))
	}
	b.WriteString("[setup]\n")
	for _, name := range slices.Sorted(maps.Keys(f.Setup)) {
		fmt.Fprintf(&b, "%s = %s\n", name, f.Setup[name])
	}
	b.WriteString("[messages]\n")
	for _, m := range f.Messages {
		m.write(&b)
	}
	b.WriteString("[outcome]\n")
	for _, line := range f.Outcome {
		b.WriteString(line + "\n")
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func (m FlowMessage) write(b *strings.Builder) {
	if m.Notation != "" {
		fmt.Fprintf(b, "# %s\n", m.Notation)
	}
	arrow, marker := "<-", ""
	if m.Sent {
		arrow = "->"
	}
	if m.Path.Marker {
		marker = " marker"
	}
	fmt.Fprintf(b, "%s %.3f %v %v%s\n", arrow, m.At.Seconds(), m.Path.Local, m.Path.Remote, marker)
	for line := range slices.Chunk(m.Octets, lineOctets) {
		fmt.Fprintf(b, "   %x\n", line)
	}
}

// ReadFlow reads a flow's file.
func ReadFlow(path string) (*Flow, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f := &Flow{Setup: make(map[string]string)}
	section, comment, number := "", "", 0
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		number++
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "# "):
			comment = line[2:]
		case strings.HasPrefix(line, "["):
			section = line
		default:
			if err := f.readLine(section, line, comment); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, number, err)
			}
			comment = ""
		}
	}
	return f, lines.Err()
}

func (f *Flow) readLine(section, line, comment string) error {
	switch section {
	case "[setup]":
		name, value, ok := strings.Cut(line, " = ")
		if !ok {
			return fmt.Errorf("no setting: %q", line)
		}
		f.Setup[name] = value
	case "[messages]":
		if octets, more := strings.CutPrefix(line, "   "); more && len(f.Messages) > 0 {
			b, err := hex.DecodeString(octets)
			m := &f.Messages[len(f.Messages)-1]
			m.Octets = append(m.Octets, b...)
			return err
		}
		m, err := readArrow(line)
		m.Notation = comment
		f.Messages = append(f.Messages, m)
		return err
	case "[outcome]":
		f.Outcome = append(f.Outcome, line)
	default:
		return fmt.Errorf("in no section: %q", line)
	}
	return nil
}

func readArrow(line string) (m FlowMessage, err error) {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[0] != "->" && fields[0] != "<-" {
		return m, fmt.Errorf("no message: %q", line)
	}
	m.Sent, m.Path.Marker = fields[0] == "->", len(fields) > 4 && fields[4] == "marker"
	if m.At, err = time.ParseDuration(fields[1] + "s"); err != nil {
		return m, err
	}
	if m.Path.Local, err = netip.ParseAddrPort(fields[2]); err != nil {
		return m, err
	}
	m.Path.Remote, err = netip.ParseAddrPort(fields[3])
	return m, err
}

// Recorder writes down a flow while it happens. Safe for concurrent use.
type Recorder struct {
	mu        sync.Mutex
	began     time.Time
	messages  []FlowMessage
	notations []notation
}

type notation struct {
	sent   bool
	octets int
	text   string
}

// NewRecorder begins.
func NewRecorder() *Recorder { return &Recorder{began: time.Now()} }

// Note takes a datagram, before our end sends it or hears of it.
func (r *Recorder) Note(sent bool, octets []byte, path ike.Path) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, FlowMessage{Sent: sent, At: time.Since(r.began), Path: path, Octets: slices.Clone(octets)})
}

// Annotate gives its notation to a message of that direction and size: to the
// first that has none, noted yet or not.
func (r *Recorder) Annotate(sent bool, octets int, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notations = append(r.notations, notation{sent, octets, text})
}

// Messages are those so far.
func (r *Recorder) Messages() []FlowMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	left, all := slices.Clone(r.notations), slices.Clone(r.messages)
	for i := range all {
		m := &all[i]
		fits := func(n notation) bool { return n.sent == m.Sent && n.octets == len(m.Octets) }
		if j := slices.IndexFunc(left, fits); j >= 0 {
			m.Notation = left[j].text
			left = slices.Delete(left, j, j+1)
		}
	}
	return all
}
