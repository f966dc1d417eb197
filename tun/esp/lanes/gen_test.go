package lanes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The assembly is what the program in gen writes. The program is a module of its
// own: without the network, and its modules not yet here, the test is skipped.
func TestGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	if out, err := exec.Command("go", "mod", "download", "-C", "gen").CombinedOutput(); err != nil {
		t.Skipf("the generator's modules: %v: %s", err, out)
	}
	folder := t.TempDir()
	if out, err := exec.Command("go", "run", "-C", "gen", ".", "-to", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		want, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s isn't what gen writes (remedy: go generate ./tun/esp/lanes): %v", f.Name(), err)
		}
	}
}
