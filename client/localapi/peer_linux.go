package localapi

import (
	"errors"
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peer says who made a connection: unix(7), SO_PEERCRED and SO_PEERGROUPS. It is who
// called connect, at that moment.
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
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil {
			err = errPeer("SO_PEERCRED", err)
			return
		}
		caller = Caller{UID: cred.Uid, PID: cred.Pid, GIDs: []uint32{cred.Gid}}
		var groups []uint32
		if groups, err = peerGroups(fd); err != nil {
			err = errPeer("SO_PEERGROUPS", err)
			return
		}
		caller.GIDs = append(caller.GIDs, groups...)
	})
	return caller, errors.Join(failed, err)
}

// maxGroups is the kernel's NGROUPS_MAX.
const maxGroups = 65536

// peerGroups returns the supplementary groups. Linux has the option since 4.13.
func peerGroups(fd uintptr) ([]uint32, error) {
	for n := 64; n <= maxGroups; {
		groups := make([]uint32, n)
		size := uint32(4 * n)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errno == unix.ERANGE && int(size/4) > n:
			n = int(size / 4)
		default:
			return nil, errno
		}
	}
	return nil, unix.ERANGE
}
