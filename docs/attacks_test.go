package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var testOfFolder = regexp.MustCompile("`([a-z0-9/-]+) ((?:Test|Fuzz)[A-Za-z0-9_]+)`")

// Each row of the page of attacks names tests, and each of these exists.
func TestAttacks(t *testing.T) {
	page, err := os.ReadFile("attacks.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	attacks, _, _ := strings.Cut(string(page), "\n## What was measured")
	for line := range strings.Lines(attacks) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		if len(cells) != 4 || cells[0] == "---" || cells[0] == " attack " {
			continue
		}
		rows++
		tests := testOfFolder.FindAllStringSubmatch(cells[3], -1)
		if len(tests) == 0 {
			t.Errorf("no test for%s", cells[0])
		}
		for _, m := range tests {
			if !hasFunc(t, m[1], m[2]) {
				t.Errorf("%s has no %s", m[1], m[2])
			}
		}
	}
	if rows < 25 {
		t.Errorf("only %d rows", rows)
	}
}

// hasFunc looks for a function in the tests of a folder.
func hasFunc(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
