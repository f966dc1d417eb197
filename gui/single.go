package gui

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"fyne.io/fyne/v2"
)

// handover is what a second start tells the window that is there: which files to import.
type handover struct {
	Open []string `json:"open"`
}

// maxHandover bounds it, in octets. Chosen here.
const maxHandover = 64 << 10

// singleSocket is where a window listens for a second start, in a folder that is the
// person's alone.
func singleSocket() (string, error) {
	folder := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(folder) {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(cache, "postern")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return "", err
		}
	}
	return filepath.Join(folder, "postern-gui.sock"), nil
}

// HandOver gives files to a window that is there already, which comes to the front.
// false: there is none.
func HandOver(paths []string) bool {
	path, err := singleSocket()
	if err != nil {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	h := handover{}
	for _, p := range paths {
		if whole, err := filepath.Abs(p); err == nil {
			p = whole
		}
		h.Open = append(h.Open, p)
	}
	if json.NewEncoder(conn).Encode(h) != nil {
		return false
	}
	answer := make([]byte, 1)
	_, err = io.ReadFull(conn, answer) // it has taken them
	return err == nil
}

// Accept takes what second starts hand over, until Close.
func (u *UI) Accept() error {
	path, err := singleSocket()
	if err != nil {
		return err
	}
	// Nobody answers there (HandOver): what is left of a window that was killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	go func() {
		<-u.ctx.Done()
		l.Close()
	}()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			u.takeOver(conn)
		}
	}()
	return nil
}

// takeOver reads one handover.
func (u *UI) takeOver(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	var h handover
	if json.NewDecoder(io.LimitReader(conn, maxHandover)).Decode(&h) != nil || u.ctx.Err() != nil {
		return
	}
	_, _ = conn.Write([]byte{'\n'})
	fyne.Do(func() {
		u.raise()
		u.Open(h.Open...)
	})
}
