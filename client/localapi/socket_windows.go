package localapi

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os/user"
	"strings"

	"github.com/Microsoft/go-winio"
)

// SystemSocket returns where the system's daemon listens.
func SystemSocket() string { return `\\.\pipe\postern` }

// UserSocket returns where a person's own daemon listens.
func UserSocket() string {
	u, err := user.Current() // Uid is the SID
	if err != nil {
		return SystemSocket() + "-user"
	}
	return SystemSocket() + "-" + u.Uid
}

// Listen makes a named pipe: with 0666 for all who logged in to this machine, which the
// daemon tells apart, with 0600 for the person's own.
func Listen(path string, perm fs.FileMode) (net.Listener, error) {
	who := "(A;;GRGW;;;IU)(A;;GRGW;;;SU)" // at this machine, and services
	if perm&0o066 == 0 {
		u, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("local API: %w", err)
		}
		who = "(A;;GA;;;" + u.Uid + ")"
	}
	// Protected; nobody from the network; the system and administrators all.
	l, err := winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: "D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)" + who})
	if err != nil {
		return nil, fmt.Errorf("local API: %w", err)
	}
	return l, nil
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, path)
}

// startCommand starts the daemon of a pipe.
func startCommand(path string) string {
	if strings.HasPrefix(path, SystemSocket()+"-") {
		return "postern daemon --user"
	}
	return "net start postern"
}
