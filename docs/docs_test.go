// Package docs holds the documentation, and tests that it says what is so: that every command shown exists with its
// flags, that every failure of the programs is explained, and that the exit codes are all listed.
package docs

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pages are all that the project says to people.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range append(files, more...) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[f] = string(text)
	}
	return all
}

var (
	inline  = regexp.MustCompile("`([^`\n]+)`")
	inBlock = regexp.MustCompile(`^(?: {4,}|\t+)(.*)`)
)

// snippets are a page's pieces of code: lines of blocks, fenced or indented, and what stands in backquotes. A line that
// ends in a backslash goes on in the next one.
func snippets(page string) (found []string) {
	fenced := false
	lines := strings.Split(strings.ReplaceAll(page, "\\\n", " "), "\n")
	for _, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if block := inBlock.FindStringSubmatch(line); fenced {
			found = append(found, line)
		} else if block != nil {
			found = append(found, block[1])
		} else {
			for _, m := range inline.FindAllStringSubmatch(line, -1) {
				found = append(found, m[1])
			}
		}
	}
	return found
}

// before may stand before the program in a command: ways to call it that change nothing of what follows.
var before = map[string]bool{"$": true, "sudo": true, "exec": true, "ExecStart=": true, "if": true, "!": true, "run": true}

// verbOrFlag is what comes first after the program.
var verbOrFlag = regexp.MustCompile(`^-*[a-z][a-z-]*;?$`)

// command cuts what is said to the program postern out of a piece of code; nil when it isn't called there.
func command(code string) []string {
	code = strings.TrimPrefix(strings.TrimSpace(code), "ExecStart=")
	words := strings.Fields(code)
	for len(words) > 0 && (before[words[0]] || strings.Contains(words[0], "=") && !strings.HasPrefix(words[0], "-")) {
		words = words[1:]
	}
	if len(words) < 2 || filepath.Base(words[0]) != "postern" || !verbOrFlag.MatchString(words[1]) {
		return nil
	}
	for i, w := range words {
		if w == "#" || w == "|" || w == "||" || w == "&&" || w == ";" || w == "\\" || strings.ContainsAny(w, "<>") {
			return words[1:i]
		}
		if end := strings.TrimRight(w, ";"); end != w {
			return append(words[1:i:i], end)
		}
	}
	return words[1:]
}

// program is the command, built once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "postern-docs-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "postern.exe") // Windows wants the suffix, and others don't mind
	c := exec.Command("go", "build", "-o", path, "postern/cmd/postern")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	return path, c.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

var usage = regexp.MustCompile(`(?m)^  postern([a-z -]*)`)

// help is what the program says of a verb, and the verb's words: "secret", "set".
func help(t *testing.T, words []string) (text string, verb []string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		if strings.HasPrefix(w, "-") || len(verb) == 2 {
			break
		}
		verb = append(verb, w)
	}
	for ; ; verb = verb[:len(verb)-1] {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, path, append(slices.Clone(verb), "--help")...).CombinedOutput()
		stop()
		if err == nil {
			for _, m := range usage.FindAllSubmatch(out, -1) {
				if said := strings.Fields(string(m[1])); len(said) >= len(verb) && slices.Equal(said[:len(verb)], verb) {
					return string(out), verb
				}
			}
		}
		if len(verb) == 0 {
			t.Fatalf("postern --help: %v\n%s", err, out)
		}
	}
}

var flag = regexp.MustCompile(`^--?[A-Za-z][a-z-]*`)

// Every command shown exists, with its flags; those that need nothing are run.
func TestCommands(t *testing.T) {
	seen := 0
	for name, page := range pages(t) {
		for _, code := range snippets(page) {
			words := command(code)
			if words == nil {
				continue
			}
			seen++
			text, verb := help(t, words)
			if len(verb) == 0 && !strings.HasPrefix(words[0], "-") {
				t.Errorf("%s: %q: there is no verb %s", name, code, words[0])
				continue
			}
			for _, w := range words {
				if w == "--" {
					break
				}
				if f := flag.FindString(w); f != "" && !regexp.MustCompile(`(^|[ ,])`+regexp.QuoteMeta(f)+`\b`).MatchString(text) {
					t.Errorf("%s: %q: postern %s has no flag %s", name, code, strings.Join(verb, " "), f)
				}
			}
			if runs(words) {
				run(t, name, words)
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d commands found", seen)
	}
}

// runs says whether a command needs neither a gateway nor a profile, and ends.
func runs(words []string) bool {
	return (words[0] == "demo" || words[0] == "version" || words[0] == "completion") && !slices.Contains(words, "--keep") &&
		!slices.Contains(words, "--verbose") && !strings.Contains(strings.Join(words, " "), "…") && (words[0] != "completion" || len(words) == 2)
}

var ran = map[string]bool{}

func run(t *testing.T, page string, words []string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if ran[strings.Join(words, " ")] {
		return
	}
	ran[strings.Join(words, " ")] = true
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, path, words...)
	var errs bytes.Buffer
	c.Stderr = &errs
	if out, err := c.Output(); err != nil || len(out) == 0 {
		t.Errorf("%s: postern %s: %v\n%s", page, strings.Join(words, " "), err, errs.Bytes())
	}
}

// What is cut out of pages.
func TestCommandOf(t *testing.T) {
	for code, want := range map[string][]string{
		"sudo bin/postern run office.toml":           {"run", "office.toml"},
		"postern status --json | jq .state":          {"status", "--json"},
		"ExecStart=/usr/bin/postern run --no-prompt": {"run", "--no-prompt"},
		"postern up office; postern down office":     {"up", "office"},
		"EDITOR=nano postern edit office   # a word": {"edit", "office"},
		"postern: no such file":                      nil,
		"cmd/postern/main.go":                        nil,
		"postern":                                    nil,
	} {
		if diff := cmp.Diff(want, command(code)); diff != "" {
			t.Errorf("%s: %s", code, diff)
		}
	}
}

var (
	inReason   = regexp.MustCompile(`\bCode(?::| =) *"([a-z0-9_]+)"`)
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
