//go:build !windows && !darwin

package profile

// adminFolder is where an administrator's files are, and nobody else's.
func adminFolder() string { return "/etc/postern" }

// StateFolder is where root's programs remember things.
func StateFolder() string { return "/var/lib/postern" }
