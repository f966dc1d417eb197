package service

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"postern/client"
	"postern/client/localapi"
)

// What a daemon and its workers tell each other goes through two pipes, in frames:
//
//	octets  4   length of the head, in network order
//	        n   the head, one JSON object
//	        ... secrets, one after the other: their names and lengths stand in the head
//
// Secrets are no part of the JSON, whose encoder keeps buffers that nobody clears.
// Chosen here.

// command is what a daemon says.
type command struct {
	Start     *order  `json:"start,omitempty"` // first, and once
	Answer    *answer `json:"answer,omitempty"`
	Reconnect bool    `json:"reconnect,omitempty"`
	Poll      uint64  `json:"poll,omitempty"` // wants a report with this number
	Stop      bool    `json:"stop,omitempty"`

	Blobs   []blob                     `json:"blobs,omitempty"`
	secrets map[string]localapi.Octets // by name; written and read beside the head
}

// order is the connection that a worker makes.
type order struct {
	ID          string             `json:"id,omitempty"`          // of its kill switch
	Path        string             `json:"path,omitempty"`        // of a system profile, or of one of Document's name
	Credentials string             `json:"credentials,omitempty"` // its folder of credentials
	Document    *localapi.Document `json:"document,omitempty"`    // a person's own profile
	NoPrompt    bool               `json:"no_prompt,omitempty"`
	Debug       bool               `json:"debug,omitempty"`
	StateDir    string             `json:"state_dir,omitempty"`
	Known       string             `json:"known,omitempty"` // file of the gateways trusted at first sight
	Rootless    *client.Rootless   `json:"rootless,omitempty"`
	Accompanied bool               `json:"accompanied,omitempty"`  // see client.Options
	FirstPrompt uint64             `json:"first_prompt,omitempty"` // added to the numbers of prompts
}

// answer is that of a person to a prompt. The answers are secrets of the frame.
type answer struct {
	Prompt uint64 `json:"prompt"`
	Cancel bool   `json:"cancel,omitempty"`
}

// report is what a worker says.
type report struct {
	Status *client.Status    `json:"status,omitempty"`
	Poll   uint64            `json:"poll,omitempty"` // the command's number
	Log    *localapi.LogLine `json:"log,omitempty"`
	Ended  bool              `json:"ended,omitempty"`  // last
	Reason *client.Reason    `json:"reason,omitempty"` // with Ended; nil: as it was told to
}

// blob is a secret behind the head.
type blob struct {
	Name   string `json:"name"`
	Length int    `json:"length"`
}

const (
	maxHead  = 4 << 20 // octets
	maxBlob  = 1 << 20 // octets, a file of a profile's
	maxBlobs = 64
)

// frames writes frames. Several goroutines may.
type frames struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frames) command(c command) error {
	c.Blobs = nil
	for name, s := range c.secrets {
		c.Blobs = append(c.Blobs, blob{name, len(s)})
	}
	head, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.head(head); err != nil {
		return err
	}
	for _, b := range c.Blobs {
		if _, err := f.w.Write(c.secrets[b.Name]); err != nil {
			return err
		}
	}
	return nil
}

func (f *frames) report(r report) error {
	head, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head(head)
}

// head writes the first part of a frame, in one call.
func (f *frames) head(b []byte) error {
	if len(b) > maxHead {
		return fmt.Errorf("frame of %d octets", len(b))
	}
	_, err := f.w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...))
	return err
}

// readHead reads the first part of a frame into to.
func readHead(r io.Reader, to any) error {
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(n[:])
	if length > maxHead {
		return fmt.Errorf("frame of %d octets", length)
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

// readCommand reads a frame of a daemon's, without reading ahead: no buffer keeps a
// secret.
func readCommand(r io.Reader) (c command, err error) {
	if err := readHead(r, &c); err != nil {
		return c, err
	}
	if len(c.Blobs) > maxBlobs {
		return c, errors.New("too many secrets in a frame")
	}
	c.secrets = make(map[string]localapi.Octets, len(c.Blobs))
	for _, b := range c.Blobs {
		if b.Length < 0 || b.Length > maxBlob {
			return c, fmt.Errorf("secret of %d octets", b.Length)
		}
		s := make(localapi.Octets, b.Length)
		if _, err := io.ReadFull(r, s); err != nil {
			return c, err
		}
		c.secrets[b.Name] = s
	}
	return c, nil
}

func readReport(r io.Reader) (out report, err error) { return out, readHead(r, &out) }
