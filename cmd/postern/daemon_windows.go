package main

import (
	"context"
	"net"
	"os"
	"time"

	"golang.org/x/sys/windows/svc"

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

// serviceName is what the service is called in the machine's list of services.
const serviceName = "postern"

// underManager tells the service manager, if that started this process, that the service
// runs, and ends it when the manager says so or the machine shuts down. over is called
// when it has ended, and comes back when the manager knows.
func underManager(end context.CancelFunc) (over func()) {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return func() {}
	}
	ended, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		if svc.Run(serviceName, managed{end, ended}) != nil {
			end() // nobody could stop it later
		}
	}()
	return func() {
		close(ended)
		<-told
	}
}

// managed answers the service manager.
type managed struct {
	end   context.CancelFunc
	ended <-chan struct{}
}

// Execute reports what the service is at, until it has ended (svc.Handler).
func (m managed) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	now := svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	status <- now
	for {
		select {
		case <-m.ended:
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- now
			case svc.Stop, svc.Shutdown:
				now = svc.Status{State: svc.StopPending, WaitHint: 60_000} // connections say goodbye; milliseconds
				status <- now
				m.end()
			}
		}
	}
}

func isReload(os.Signal) bool { return false }

func monotonic() time.Duration { return 0 }
