package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
)

// Names of the Secret Service API 0.2, and where go-keyring looks.
const (
	busName    = "org.freedesktop.secrets"
	collection = "org.freedesktop.Secret.Collection"
	login      = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	byDefault  = dbus.ObjectPath("/org/freedesktop/secrets/aliases/default")
)

// reachable asks the session's Secret Service whether its collection is locked. Where
// it is, a person is given the time to unlock it, if there is a screen to ask on.
func reachable() (time.Duration, error) {
	if !sessionBus() {
		return 0, fmt.Errorf("%w: this login has no session bus (D-Bus)", ErrNone)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	conn, err := dbus.ConnectSessionBus(dbus.WithContext(ctx))
	if err != nil {
		return 0, fmt.Errorf("%w: the session bus (D-Bus) doesn't answer: %w", ErrNone, err)
	}
	defer conn.Close()
	locked, err := isLocked(ctx, conn, login)
	if err != nil && ctx.Err() == nil {
		locked, err = isLocked(ctx, conn, byDefault)
	}
	var refused dbus.Error
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("%w: the Secret Service doesn't answer within %v", ErrNone, answerLimit)
	case errors.As(err, &refused) && (refused.Name == "org.freedesktop.DBus.Error.ServiceUnknown" || refused.Name == "org.freedesktop.DBus.Error.NameHasNoOwner"):
		return 0, fmt.Errorf("%w: no Secret Service runs in this session, such as gnome-keyring or KWallet", ErrNone)
	case err != nil:
		return 0, fmt.Errorf("%w: the Secret Service has no default keyring: %w", ErrNone, err)
	case locked && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "":
		return 0, fmt.Errorf("%w: it is locked, and there is no screen to ask for its password on", ErrNone)
	case locked:
		return personLimit, nil
	}
	return answerLimit, nil
}

func isLocked(ctx context.Context, conn *dbus.Conn, path dbus.ObjectPath) (locked bool, err error) {
	call := conn.Object(busName, path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, collection, "Locked")
	var v dbus.Variant
	if err := call.Store(&v); err != nil {
		return false, err
	}
	return locked, v.Store(&locked)
}

// sessionBus says whether there is one to connect to: the library would start one
// that outlives us.
func sessionBus() bool {
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a != "autolaunch:"
	}
	run := filepath.Join("/run/user", strconv.Itoa(os.Getuid()))
	for _, name := range []string{"bus", "dbus-session"} {
		if _, err := os.Stat(filepath.Join(run, name)); err == nil {
			return true
		}
	}
	return false
}
