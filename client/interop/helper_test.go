//go:build linux

package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// With this variable in its environment the test program is one of the tools below.
const helperVariable = "POSTERN_LAB_HELPER"

func runHelper(mode string, args []string) error {
	switch mode {
	case "enter":
		return enter(args[0], args[1], args[2], args[3:])
	case "ping":
		size, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		limit, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		return ping(args[0], size, limit)
	case "say":
		return say(args[0], args[1])
	case "serve":
		return serve(args[0])
	case "firstping":
		limit, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		return firstPing(args[0], limit)
	case "echo":
		return echo(args[0])
	case "flood":
		rate, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return sendFlood(args[0], rate)
	case "transfer":
		size, err := strconv.ParseUint(args[1], 10, 32)
		if err != nil {
			return err
		}
		return transfer(args[0], size)
	}
	return fmt.Errorf("no helper %q", mode)
}

// enter becomes the program inside a namespace, with a /run and an /etc/resolv.conf of its own. It returns only on an error.
func enter(netns, run, resolver string, program []string) error {
	runtime.LockOSThread() // the thread that execs is the one that entered
	f, err := os.Open("/run/netns/" + netns)
	if err != nil {
		return err
	}
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering %s: %w", netns, err)
	}
	f.Close()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount(run, "/run", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("/run: %w", err)
	}
	if err := bindResolver(resolver); err != nil {
		return fmt.Errorf("/etc/resolv.conf: %w", err)
	}
	env := []string{}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, helperVariable+"=") {
			env = append(env, v)
		}
	}
	path, err := os.Executable()
	if helper, ok := strings.CutPrefix(program[0], "@"); ok {
		env = append(env, helperVariable+"="+helper)
	} else {
		path, err = exec.LookPath(program[0])
	}
	if err != nil {
		return err
	}
	return unix.Exec(path, program, env)
}

// bindResolver puts the file in the place of /etc/resolv.conf. Where that is a link into /run, which is the node's own by
// now, its target is made first.
func bindResolver(file string) error {
	target := "/etc/resolv.conf"
	if link, err := os.Readlink(target); err == nil {
		target = link
		if !filepath.IsAbs(target) {
			target = filepath.Join("/etc", target)
		}
	}
	if strings.HasPrefix(target, "/run/") {
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, nil, 0o644); err != nil {
			return err
		}
	}
	return unix.Mount(file, target, "", unix.MS_BIND, "")
}

// ping sends echo requests with size octets of data, five a second, until one is answered or the limit is over.
func ping(address string, size int, limit time.Duration) error {
	c, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return err
	}
	defer c.Close()
	raw, err := c.(*net.IPConn).SyscallConn()
	if err != nil {
		return err
	}
	raw.Control(func(fd uintptr) { // fragments on the way are welcome
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	})
	to := &net.IPAddr{IP: net.ParseIP(address)}
	echo := icmp.Echo{ID: os.Getpid() & 0xffff, Data: bytes.Repeat([]byte("postern "), size/8+1)[:size]}
	answer := make([]byte, 65535)
	last := error(nil)
	for end := time.Now().Add(limit); time.Now().Before(end); {
		echo.Seq++
		request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &echo}).Marshal(nil)
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(request, to); err != nil {
			last = err // no route yet, or unreachable
			time.Sleep(200 * time.Millisecond)
			continue
		}
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		for {
			n, from, err := c.ReadFrom(answer)
			if err != nil {
				break
			}
			m, err := icmp.ParseMessage(1, answer[:n])
			if err != nil || m.Type != ipv4.ICMPTypeEchoReply || from.String() != address {
				continue
			}
			if e := m.Body.(*icmp.Echo); e.ID == echo.ID && bytes.Equal(e.Data, echo.Data) {
				return nil
			}
		}
	}
	return errors.Join(fmt.Errorf("%s: no answer to %d octets within %v", address, size, limit), last)
}

// say sends a datagram.
func say(address, text string) error {
	c, err := net.Dial("udp4", address)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.WriteString(c, text)
	return err
}

// The transfer service: the client sends a length of 8 octets and as many octets; the server answers with their SHA-256,
// then sends as many of its own, and their SHA-256.

// serve serves transfers until it is killed.
func serve(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("serving")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := serveOne(c); err != nil {
				fmt.Println(c.RemoteAddr(), err)
			}
		}()
	}
}

func serveOne(c net.Conn) error {
	c.SetDeadline(time.Now().Add(patience))
	var size uint64
	if err := binary.Read(c, binary.BigEndian, &size); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, c, int64(size)); err != nil {
		return err
	}
	if _, err := c.Write(sum.Sum(nil)); err != nil {
		return err
	}
	return send(c, size, 2)
}

// transfer moves size octets there and size other ones back, and compares the checksums.
func transfer(address string, size uint64) error {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if err := binary.Write(c, binary.BigEndian, size); err != nil {
		return err
	}
	sent := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(c, sent), octets(1), int64(size)); err != nil {
		return fmt.Errorf("there: %w", err)
	}
	if err := compare(c, sent.Sum(nil)); err != nil {
		return fmt.Errorf("there: %w", err)
	}
	received := sha256.New()
	if _, err := io.CopyN(received, c, int64(size)); err != nil {
		return fmt.Errorf("back: %w", err)
	}
	if err := compare(c, received.Sum(nil)); err != nil {
		return fmt.Errorf("back: %w", err)
	}
	return nil
}

func send(w io.Writer, size uint64, seed byte) error {
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(w, sum), octets(seed), int64(size)); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

// octets are endless, don't compress and are the same at every run.
func octets(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func compare(r io.Reader, sum []byte) error {
	got := make([]byte, len(sum))
	if _, err := io.ReadFull(r, got); err != nil {
		return err
	}
	if !bytes.Equal(got, sum) {
		return fmt.Errorf("checksum %x, want %x", got, sum)
	}
	return nil
}
