package hostnet

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"

	"postern/tun/hostnet/hostcmd"
)

const resolverName = "the name resolution policy table"

func commands() (hostcmd.System, error) {
	folder, err := windows.GetSystemDirectory()
	if err != nil {
		return hostcmd.System{}, fmt.Errorf("the system's folder: %w", err)
	}
	return hostcmd.Windows(folder), nil
}

// process tells a process from others that had or will have its number: by when it began.
func process(pid int) (string, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return "", err
	}
	defer windows.CloseHandle(h)
	var began, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &began, &ended, &kernel, &user); err != nil {
		return "", err
	}
	if ended != (windows.Filetime{}) {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fmt.Sprintf("%d %d", pid, began.Nanoseconds()), nil
}

func prepared(ctx context.Context, argv []string) *exec.Cmd {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NO_WINDOW}
	return c
}
