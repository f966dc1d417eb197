package main

import (
	"net"
	"os"
	"time"

	"postern/client/localapi"
)

// systemCan says who may run the system's daemon: whoever may make its pipe.
func systemCan() error { return nil }

// listen returns the pipe to serve on.
func (f *daemonFlags) listen() (all []net.Listener, where string, err error) {
	path, perm := f.socket, os.FileMode(0o600)
	switch {
	case f.system:
		perm = 0o666
		if path == "" {
			path = localapi.SystemSocket()
		}
	case path == "":
		path = localapi.UserSocket()
	}
	l, err := localapi.Listen(path, perm)
	if err != nil {
		return nil, "", err
	}
	return []net.Listener{l}, path, nil
}

func isReload(os.Signal) bool { return false }

func monotonic() time.Duration { return 0 }
