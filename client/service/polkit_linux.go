package service

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"postern/client/localapi"
)

// The authority's D-Bus interface: polkit's reference manual,
// "org.freedesktop.PolicyKit1.Authority".
const (
	polkitName      = "org.freedesktop.PolicyKit1"
	polkitPath      = "/org/freedesktop/PolicyKit1/Authority"
	polkitCheck     = polkitName + ".Authority.CheckAuthorization"
	polkitInteract  = uint32(1) // AllowUserInteraction
	polkitControl   = "org.postern.control"
	polkitByProcess = "unix-process"
)

// busTimeout is for how long a connection to the system bus is waited for. Chosen here.
const busTimeout = 5 * time.Second

// polkitSubject is (sa{sv}): who is meant.
type polkitSubject struct {
	Kind    string
	Details map[string]dbus.Variant
}

// polkitResult is (bba{ss}).
type polkitResult struct {
	Authorized, Challenge bool
	Details               map[string]string
}

// systemPolkit asks the system's polkit. Without one the answer is an error.
func systemPolkit(ctx context.Context, c localapi.Caller, interact bool) (verdict, error) {
	start, err := processStart(c.PID)
	if err != nil {
		return denied, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(busTimeout, cancel) // a bus that doesn't greet, which nothing else ends
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return denied, err
	}
	defer bus.Close()
	late.Stop()
	// The number of a process comes again, with another start; the user is who
	// connected to our socket, whatever the process has become since.
	subject := polkitSubject{polkitByProcess, map[string]dbus.Variant{
		"pid": dbus.MakeVariant(uint32(c.PID)), "start-time": dbus.MakeVariant(start), "uid": dbus.MakeVariant(int32(c.UID)),
	}}
	var flags uint32
	if interact {
		flags = polkitInteract
	}
	var result polkitResult
	err = bus.Object(polkitName, polkitPath).CallWithContext(ctx, polkitCheck, 0, subject, polkitControl, map[string]string{}, flags, "").Store(&result)
	switch {
	case err != nil:
		return denied, err
	case result.Authorized:
		return allowed, nil
	case result.Challenge:
		return asks, nil
	}
	return denied, nil
}

// processStart is field 22 of proc(5)'s /proc/pid/stat, counted behind the program's
// name, which may hold blanks and parentheses: clock ticks since the boot.
func processStart(pid int32) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	return strconv.ParseUint(fields[19], 10, 64)
}
