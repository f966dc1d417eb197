package localapi

import (
	"fmt"
	"net"

	"golang.org/x/sys/windows"
)

// peer says who made a connection: the user of the process at the pipe's other end.
// Chosen here: UID is 0 for the system and for administrators with their rights on,
// else the number of the user's SID. Groups are those in force.
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
		caller.UID = number(u.User.Sid.String())
	}
	if groups, err := token.GetTokenGroups(); err == nil {
		for _, g := range groups.AllGroups() {
			if g.Attributes&windows.SE_GROUP_ENABLED != 0 && g.Attributes&windows.SE_GROUP_USE_FOR_DENY_ONLY == 0 {
				caller.GIDs = append(caller.GIDs, number(g.Sid.String()))
			}
		}
	}
	caller.Name = u.User.Sid.String()
	if account, domain, _, err := u.User.Sid.LookupAccount(""); err == nil {
		caller.Name = domain + `\` + account
	}
	return caller, nil
}
