package gui

import "github.com/godbus/dbus/v5"

// HasTray says whether somebody shows symbols beside the clock (StatusNotifierWatcher
// of the StatusNotifierItem specification): a window without one must not hide.
func HasTray() bool {
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return false
	}
	defer conn.Close()
	if conn.Auth(nil) != nil || conn.Hello() != nil {
		return false
	}
	var there bool
	err = conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.kde.StatusNotifierWatcher").Store(&there)
	return err == nil && there
}
