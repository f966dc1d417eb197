package tun

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// anyName makes the kernel put the first free number there.
const anyName = "postern%d"

// remedy says what can be done about an error of making a device.
func remedy(err error) string {
	switch {
	case errors.Is(err, os.ErrPermission):
		return " (it takes root or CAP_NET_ADMIN)"
	case errors.Is(err, unix.EBUSY):
		return " (another program has a device of that name)"
	}
	if _, missing := os.Stat("/dev/net/tun"); errors.Is(missing, os.ErrNotExist) {
		return " (the kernel's tun module isn't loaded)"
	}
	return ""
}
