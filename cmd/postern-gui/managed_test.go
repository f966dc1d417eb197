//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// managedProfile is one that an administrator locked, but for two keys.
const managedProfile = `gateway = "vpn.plant.example"
mode = "aggressive"
identity = "fitters"

[policy]
preset = ["local_lan", "networks"]
allowed_gateways = ["*.plant.example"]
`

// TestManaged shows an administrator's profile with its locks, and keeps what a person
// changes of it in a file of theirs.
func TestManaged(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, whose profile it is")
	}
	scene(t, 2, func(d *desk) {
		need(d.T, "unshare", "mount", "cp")
		etc := filepath.Join(d.folder, "etc")
		if out, err := exec.Command("cp", "-a", "/etc", etc).CombinedOutput(); err != nil {
			d.Fatal(err, string(out))
		}
		_ = os.RemoveAll(filepath.Join(etc, "postern"))
		profile := d.write("etc/postern/profiles.d/plant.toml", managedProfile)
		for path, mode := range map[string]os.FileMode{profile: 0o644, filepath.Dir(profile): 0o755, filepath.Dir(filepath.Dir(profile)): 0o755} {
			if err := os.Chmod(path, mode); err != nil {
				d.Fatal(err)
			}
		}
		d.within = []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", `mount --bind "$0" /etc && exec "$@"`, etc}

		program := filepath.Join(filepath.Dir(built(d.T)), "postern")
		d.run(d.said, nil, program, "daemon", "--socket", d.socket, "--state-dir", filepath.Join(d.folder, "state"))
		d.until("daemon", func() bool { _, err := d.api.Snapshot(d.Context()); return err == nil })
		d.gui()
		d.shows("plant: Not connected")
		d.keys("ctrl+e")
		d.dialog()
		d.picture("managed", true)
		before := d.settled()
		d.types("alice") // the focus is where the user's name goes
		d.changes("name of the user", before)
		changes := filepath.Join(d.folder, "home/.config/postern/profiles/plant.toml")
		d.keys("Return")
		d.until("changes in the person's folder", func() bool { _, err := os.Stat(changes); return err == nil })
		text, err := os.ReadFile(changes)
		if err != nil {
			d.Fatal(err)
		}
		if strings.TrimSpace(string(text)) != `user = "alice"` {
			d.Errorf("the changes are %q", text)
		}
	})
}
