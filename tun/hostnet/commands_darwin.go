package hostnet

import (
	"context"
	"fmt"
	"os/exec"

	"golang.org/x/sys/unix"

	"postern/tun/hostnet/hostcmd"
)

const resolverName = "scutil"

func commands() (hostcmd.System, error) { return hostcmd.Mac, nil }

// process tells a process from others that had or will have its number: by when it began.
func process(pid int) (string, error) {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %d.%06d", pid, p.Proc.P_starttime.Sec, p.Proc.P_starttime.Usec), nil
}

func prepared(ctx context.Context, argv []string) *exec.Cmd {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C"}
	return c
}
