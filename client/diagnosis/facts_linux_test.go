package diagnosis

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPortHolders(t *testing.T) {
	proc := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(proc, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
	line := func(port, inode string) string {
		return "  12: 00000000:" + port + " 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 " + inode + " 2 0000000000000000 0\n"
	}
	write("net/udp", header+line("01F4", "700")+line("1194", "701")+line("0035", "702")+"garbage\n")
	write("net/udp6", header+line("01F4", "703"))
	write("812/comm", "charon\n")
	if err := errors.Join(os.Mkdir(filepath.Join(proc, "812", "fd"), 0o700), os.Symlink("socket:[700]", filepath.Join(proc, "812", "fd", "5"))); err != nil {
		t.Fatal(err)
	}
	got := portHolders(proc, 500, 0x1194)
	slices.SortFunc(got, func(a, b holder) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	want := []holder{{0x1194, 0, ""}, {500, 0, ""}, {500, 812, "charon"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(holder{})); diff != "" {
		t.Error(diff)
	}
}
