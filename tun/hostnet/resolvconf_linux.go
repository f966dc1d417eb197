package hostnet

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// resolvconfTimeout bounds a run of the program, which waits up to 10 s for its own lock.
const resolvconfTimeout = 15 * time.Second

// resolvconfPath is where the program is looked for: a daemon's own PATH may lack the sbin folders.
var resolvconfPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// resolvconfStep hands the name servers to resolvconf(8): Debian's, or openresolv's. They rank the records by their
// names or metrics and write resolv.conf.
type resolvconfStep struct {
	Program   string `json:"program"`
	Record    string `json:"record"` // "tun0.postern"
	Input     string `json:"input"`
	Exclusive bool   `json:"exclusive,omitempty"` // no other record counts while this one is there
}

// findResolvconf returns the program's path, or "". systemd's program of that name is resolvectl, which is of use only
// with a service that is asked in another way.
func findResolvconf() string {
	for _, dir := range resolvconfPath {
		path := filepath.Join(dir, "resolvconf")
		target, err := filepath.EvalSymlinks(path)
		if err != nil || filepath.Base(target) == "resolvectl" {
			continue
		}
		if st, err := os.Stat(target); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

func (s *resolvconfStep) String() string { return "name servers for resolvconf" }

func (s *resolvconfStep) do(ctx context.Context, _ *host) error {
	return s.run(ctx, s.Input, "-a", s.Record)
}

func (s *resolvconfStep) undo(*host) error {
	if _, err := os.Stat(s.Program); err != nil {
		return nil // uninstalled, and its records with it
	}
	err := s.run(context.Background(), "", "-d", s.Record)
	if err != nil {
		// openresolv refuses a record that it never had, unless forced; Debian's doesn't know the option.
		if s.run(context.Background(), "", "-f", "-d", s.Record) == nil {
			return nil
		}
	}
	return err
}

// run starts the program itself, never a shell. IF_METRIC and IF_EXCLUSIVE are openresolv's, Debian's goes by the name.
func (s *resolvconfStep) run(ctx context.Context, input string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, resolvconfTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Program, args...)
	cmd.Env = []string{"PATH=" + strings.Join(resolvconfPath, ":"), "IF_METRIC=0"}
	if s.Exclusive {
		cmd.Env = append(cmd.Env, "IF_EXCLUSIVE=1")
	}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second // what it starts may keep its output open
	cmd.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w (%.200q)", s.Program, strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
