package localapi

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"

	"golang.org/x/sys/windows"
)

// peer says who made a connection: the user of the process at the pipe's other end.
// Chosen here: UID is 0 for the system and for administrators with their rights on,
// else four octets of the SID's SHA-256, so that no two users of a machine share it.
func peer(c net.Conn) (Caller, error) {
	pipe, ok := c.(interface{ Fd() uintptr })
	if !ok {
		return Caller{}, fmt.Errorf("not a named pipe: %T", c)
	}
	var pid uint32
	if err := windows.GetNamedPipeClientProcessId(windows.Handle(pipe.Fd()), &pid); err != nil {
		return Caller{}, errPeer("process", err)
	}
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return Caller{}, errPeer("process", err)
	}
	defer windows.CloseHandle(process)
	var token windows.Token
	if err := windows.OpenProcessToken(process, windows.TOKEN_QUERY, &token); err != nil {
		return Caller{}, errPeer("token", err)
	}
	defer token.Close()
	u, err := token.GetTokenUser()
	if err != nil {
		return Caller{}, errPeer("user", err)
	}
	caller := Caller{PID: int32(pid)}
	if !token.IsElevated() && !u.User.Sid.IsWellKnown(windows.WinLocalSystemSid) {
		sum := sha256.Sum256([]byte(u.User.Sid.String()))
		caller.UID = max(1, binary.BigEndian.Uint32(sum[:]))
	}
	caller.Name = u.User.Sid.String()
	if account, domain, _, err := u.User.Sid.LookupAccount(""); err == nil {
		caller.Name = domain + `\` + account
	}
	return caller, nil
}
