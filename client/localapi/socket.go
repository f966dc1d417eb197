package localapi

import "os"

// DefaultSockets returns where a daemon may be found, the best first: the system's, where
// one is there, then the person's own.
func DefaultSockets() []string {
	var all []string
	if _, err := os.Stat(SystemSocket()); err == nil {
		all = append(all, SystemSocket())
	}
	return append(all, UserSocket())
}
