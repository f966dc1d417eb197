package concentrator

import (
	"os"
	"strings"
	"testing"
)

func TestImpairmentNames(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man-more/concentrator.1")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, i := range Impairments() {
		entry := strings.ReplaceAll("\n.B "+i.Name+"\n"+i.Effect+"\n", "-", `\-`)
		if seen[i.Name] || !strings.Contains(string(page), entry) {
			t.Errorf("%s is there twice, or the manual page doesn't say: %s", i.Name, i.Effect)
		}
		seen[i.Name] = true
	}
	g := &Gateway{}
	for _, names := range [][]string{{"no-such"}, {""}, {"lose"}, {"lose=0"}, {"lose=x"}, {"ke-zero=1"}, {"ke-zero", "repeat="}} {
		if err := g.Impair(names...); err == nil {
			t.Errorf("%q is taken", names)
		}
	}
	if g.impaired.Load() != nil {
		t.Error("what was refused is in force")
	}
	if err := g.Impair("ke-zero", "lose=3"); err != nil {
		t.Error(err)
	}
	if _, err := New(&Config{}, Options{Impair: []string{"no-such"}}); err == nil || !strings.Contains(err.Error(), "no-such") {
		t.Error(err)
	}
}
