package localapi

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peer says who made a connection: unix(4), LOCAL_PEERCRED and LOCAL_PEERPID. The first
// of the groups is the effective one, and there are at most 16.
func peer(c net.Conn) (caller Caller, err error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return caller, fmt.Errorf("not a Unix socket: %T", c)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return caller, err
	}
	failed := raw.Control(func(fd uintptr) {
		var cred *unix.Xucred
		if cred, err = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); err != nil {
			err = errPeer("LOCAL_PEERCRED", err)
			return
		}
		caller.UID = cred.Uid
		caller.GIDs = append(caller.GIDs, cred.Groups[:min(max(0, int(cred.Ngroups)), len(cred.Groups))]...)
		pid, none := unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID)
		if none == nil {
			caller.PID = int32(pid)
		}
	})
	return caller, errors.Join(failed, err)
}
