// Package docs holds the documentation, and tests that it says what is so: that every command shown runs as it stands
// there, that every profile shown is one, that no link leads nowhere, that every failure of the programs is explained, and
// that the exit codes are all listed.
//
//	docs_test.go      pages and what is cut out of them; codes and exit codes
//	commands_test.go  the commands in them
//	profiles_test.go  the profiles in them
//	sandbox_test.go   where commands are run: a home of its own, files to work on, a service with gateways
package docs

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pages are all that the project says to people, by their paths from this folder.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.ToSlash(f)] = string(text)
	}
	return all
}

// block is a run of lines that a page shows as code.
type block struct {
	language string // after the fence; "" for an indented one
	lines    []string
}

var inBlock = regexp.MustCompile(`^(?: {4,}|\t+)(.*)`)

// blocks cuts a page's blocks of code out, fenced or indented, and returns the rest as text. A line that ends in a
// backslash goes on in the next one.
func blocks(page string) (found []block, text []string) {
	var open *block
	fenced := false
	for line := range strings.SplitSeq(strings.ReplaceAll(page, "\\\n", " "), "\n") {
		indented := inBlock.FindStringSubmatch(line)
		switch fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```"); {
		case isFence && fenced:
			open, fenced = nil, false
		case isFence:
			found = append(found, block{language: fence})
			open, fenced = &found[len(found)-1], true
		case fenced:
			open.lines = append(open.lines, line)
		case indented != nil:
			if open == nil {
				found = append(found, block{})
				open = &found[len(found)-1]
			}
			open.lines = append(open.lines, indented[1])
		default:
			open = nil
			text = append(text, line)
		}
	}
	return found, text
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// Every link to a file of this tree leads to one.
func TestLinks(t *testing.T) {
	seen := 0
	for name, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			seen++
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, m[1])
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d links found", seen)
	}
}

var (
	inReason   = regexp.MustCompile(`\bCode(?::| =) *"([a-z0-9_]+)"`)
	inConstant = regexp.MustCompile(`\bCode: *([a-z]\w*),`)
	constant   = regexp.MustCompile(`\bCode[A-Z]\w* += "([a-z0-9_]+)"`)
	problem    = regexp.MustCompile(`Problem = "([a-z0-9_]+)"`)
	headline   = regexp.MustCompile(`(?m)^### ([a-z0-9_]+)$`)
	exitCode   = regexp.MustCompile(`\bExit[A-Z]\w* += ([0-9]+)`)
	exitInPage = regexp.MustCompile(`(?m)^\| ([0-9]+) \|`)
)

// codes are those of all reasons that the programs give, as their source has them.
func codes(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, room := range []string{"client", "cmd", "gui", "ike/pki"} {
		err := filepath.WalkDir(filepath.Join("..", room), func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, pattern := range []*regexp.Regexp{inReason, constant} {
				for _, m := range pattern.FindAllSubmatch(text, -1) {
					found[string(m[1])] = true
				}
			}
			for _, m := range inConstant.FindAllSubmatch(text, -1) {
				value := regexp.MustCompile(`\bconst ` + string(m[1]) + ` = "([a-z0-9_]+)"`).FindSubmatch(text)
				if value != nil {
					found[string(value[1])] = true
				}
			}
			if room == "ike/pki" {
				for _, m := range problem.FindAllSubmatch(text, -1) {
					found["certificate_"+string(m[1])] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	delete(found, "certificate_") // the first half of the codes of certificates
	return found
}

// Every code has its section, and no section is of a code that isn't.
func TestTroubleshooting(t *testing.T) {
	page, err := os.ReadFile("troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, m := range headline.FindAllSubmatch(page, -1) {
		if explained[string(m[1])] {
			t.Errorf("%s has two sections", m[1])
		}
		explained[string(m[1])] = true
	}
	want, got := slices.Sorted(maps.Keys(codes(t))), slices.Sorted(maps.Keys(explained))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes (-) and sections (+) differ:\n%s", diff)
	}
}

// The page of exit codes has those of package localapi, all of them.
func TestExitCodes(t *testing.T) {
	numbers := func(file string, pattern *regexp.Regexp) (all []string) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllSubmatch(text, -1) {
			all = append(all, string(m[1]))
		}
		slices.Sort(all)
		return all
	}
	want, got := numbers("../client/localapi/reason.go", exitCode), numbers("exit-codes.md", exitInPage)
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 10 {
		t.Errorf("exit codes of localapi (-) and of the page (+):\n%s", diff)
	}
}
