package localapi

// SystemSocket returns where the system's daemon listens.
func SystemSocket() string { return "/var/run/postern/postern.sock" }

// startCommand starts the daemon of a socket.
func startCommand(path string) string {
	if path == UserSocket() {
		return "postern daemon --user"
	}
	return "sudo postern daemon"
}
