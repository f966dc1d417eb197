package localapi

import "os"

// SystemSocket returns where the system's daemon listens.
func SystemSocket() string { return "/run/postern/postern.sock" }

// startCommand starts the daemon of a socket.
func startCommand(path string) string {
	if path == UserSocket() {
		return "postern daemon --user"
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil { // sd_booted(3)
		return "sudo systemctl enable --now postern.socket"
	}
	return "sudo postern daemon"
}
