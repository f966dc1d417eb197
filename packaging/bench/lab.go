//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The outer addresses of every lab.
const (
	clientOuter  = "192.0.2.1"
	gatewayOuter = "192.0.2.2"
)

// How long anything may take to start.
const patience = 30 * time.Second

// A lab is two namespaces joined by a wire. It lives as long as one candidate of one round.
type lab struct {
	ctx             context.Context
	dir             string
	client, gateway *end
}

// An end is one namespace, with a folder that its programs see as /run.
type end struct {
	lab       *lab
	netns     string
	run       string
	processes []*process
}

// prefix begins the names of what a lab makes; the number of the process that made it follows.
const prefix = "ptb-"

func newLab(ctx context.Context) (*lab, error) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	l := &lab{ctx: ctx, dir: dir}
	l.client, l.gateway = l.newEnd("client"), l.newEnd("gateway")
	err = errors.Join(
		os.Mkdir(l.client.run, 0o755), os.Mkdir(l.gateway.run, 0o755),
		system(ctx, "ip", "netns", "add", l.client.netns),
		system(ctx, "ip", "netns", "add", l.gateway.netns),
		system(ctx, "ip", "link", "add", "wire", "netns", l.client.netns, "type", "veth", "peer", "name", "wire", "netns", l.gateway.netns),
		l.client.address("wire", clientOuter+"/24"), l.gateway.address("wire", gatewayOuter+"/24"),
		l.client.ip("link", "set", "lo", "up"), l.gateway.ip("link", "set", "lo", "up"),
	)
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) newEnd(name string) *end {
	return &end{lab: l, netns: fmt.Sprintf("%s%d-%s", prefix, os.Getpid(), name), run: filepath.Join(l.dir, name+"-run")}
}

// close ends every process of the lab and takes it down, whatever became of it.
func (l *lab) close() {
	for _, e := range []*end{l.client, l.gateway} {
		for i := len(e.processes) - 1; i >= 0; i-- {
			e.processes[i].stop()
		}
		_ = exec.Command("ip", "netns", "delete", e.netns).Run()
	}
	os.RemoveAll(l.dir)
}

// write makes a file that only its owner may read, and returns its path.
func (l *lab) write(name, content string) (string, error) {
	path := filepath.Join(l.dir, name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}

func (e *end) ip(args ...string) error {
	return system(e.lab.ctx, "ip", append([]string{"-n", e.netns}, args...)...)
}

// address gives a device an address and sets it up.
func (e *end) address(device, address string) error {
	return errors.Join(e.ip("address", "add", address, "dev", device), e.ip("link", "set", device, "up"))
}

// eventually waits for a condition.
func (l *lab) eventually(what string, condition func() bool) error {
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %v", what, patience)
		}
	}
	return nil
}

// system runs a command of the machine itself.
func system(ctx context.Context, program string, args ...string) error {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// sweep removes what runs left that were killed before they could do it.
func sweep() {
	for _, folder := range []string{"/run/netns", os.TempDir()} {
		found, _ := filepath.Glob(filepath.Join(folder, prefix+"*"))
		for _, path := range found {
			var pid int
			if n, _ := fmt.Sscanf(filepath.Base(path), prefix+"%d-", &pid); n != 1 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				continue
			}
			if folder == "/run/netns" {
				_ = exec.Command("ip", "netns", "delete", filepath.Base(path)).Run()
			} else {
				os.RemoveAll(path)
			}
		}
	}
}
