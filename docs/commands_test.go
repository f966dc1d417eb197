package docs

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var inline = regexp.MustCompile("`([^`\n]+)`")

// shown is a command of a page.
type shown struct {
	words []string // behind the program's name
	whole bool     // it stands in a block of its own, so that it has all it needs; else only its flags count
}

// commands are what a page says to the program postern, in the order of the page's blocks.
func commands(page string) (found []shown) {
	code, text := blocks(page)
	for _, b := range code {
		for _, line := range b.lines {
			if words := command(line); words != nil {
				found = append(found, shown{words, true})
			}
		}
	}
	for _, line := range text {
		for _, m := range inline.FindAllStringSubmatch(line, -1) {
			if words := command(m[1]); words != nil {
				found = append(found, shown{words, false})
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
			return unquote(words[1:i])
		}
		if end := strings.TrimRight(w, ";"); end != w {
			return unquote(append(words[1:i:i], end))
		}
	}
	return unquote(words[1:])
}

// unquote puts words in quotes together, as a shell does.
func unquote(words []string) (out []string) {
	open := byte(0)
	for _, w := range words {
		switch {
		case open != 0:
			out[len(out)-1] += " " + strings.TrimSuffix(w, string(open))
			if w[len(w)-1] == open {
				open = 0
			}
		case (w[0] == '"' || w[0] == '\'') && len(w) > 1:
			if w[len(w)-1] != w[0] {
				open = w[0]
			}
			out = append(out, strings.Trim(w, w[:1]))
		default:
			out = append(out, w)
		}
	}
	return out
}

// Every command shown exists and has its flags, and those that need neither root nor somebody else's gateway are run, page
// by page, in the order in which they stand there.
func TestCommands(t *testing.T) {
	s := newSandbox(t)
	seen, ran := 0, 0
	done := map[string]bool{} // what depends on nothing, and takes its time, is run once
	for name, page := range pages(t) {
		t.Run(name, func(t *testing.T) {
			s.open(t, page)
			for _, c := range commands(page) {
				seen++
				s.parse(t, c)
				words := s.runnable(c)
				if all := strings.Join(words, " "); words != nil && !(done[all] && (words[0] == "demo" || words[0] == "probe")) {
					done[all] = true
					ran++
					s.run(t, c.words, words)
				}
			}
		})
	}
	t.Logf("%d commands, %d of them run", seen, ran)
	if seen < 60 || ran < 20 {
		t.Errorf("only %d commands found, and %d run", seen, ran)
	}
}

// runnable returns the words with which a command can be run in the sandbox, nil if it can't: it needs root or a person, or
// never ends, or is but mentioned. Connections and gateways are those of the sandbox's service.
func (s *sandbox) runnable(c shown) []string {
	endless := slices.ContainsFunc(c.words, func(w string) bool {
		return slices.Contains([]string{"--keep", "--watch", "--follow", "-f", "--verbose", "-v", "--help"}, w) || strings.Contains(w, "…")
	})
	if endless {
		return nil
	}
	words := slices.Clone(c.words)
	switch verb := words[0]; verb {
	case "demo", "version":
		return words
	case "completion":
		return onlyIf(len(words) == 2, words)
	case "import", "show", "list", "export", "edit", "remove":
		return onlyIf(c.whole, words)
	case "probe":
		return onlyIf(c.whole, s.insert(words, s.gateway))
	case "up", "connect", "status", "log", "down", "disconnect":
		if len(words) > 1 && strings.HasPrefix(words[1], "demo-") {
			return nil // these ask a person
		}
		return onlyIf(c.whole, s.insert(words, "demo"))
	}
	return nil
}

func onlyIf(is bool, words []string) []string {
	if is {
		return words
	}
	return nil
}

// insert puts another name in the place of a verb's first word that is no flag.
func (s *sandbox) insert(words []string, name string) []string {
	if len(words) > 1 && !strings.HasPrefix(words[1], "-") {
		words[1] = name
	}
	return words
}

// What is cut out of pages.
func TestCommandOf(t *testing.T) {
	for code, want := range map[string][]string{
		"sudo bin/postern run office.toml":           {"run", "office.toml"},
		"postern status --json | jq .state":          {"status", "--json"},
		"ExecStart=/usr/bin/postern run --no-prompt": {"run", "--no-prompt"},
		"postern up office; postern down office":     {"up", "office"},
		"EDITOR=nano postern edit office   # a word": {"edit", "office"},
		`postern show "head office" --all`:           {"show", "head office", "--all"},
		"postern: no such file":                      nil,
		"cmd/postern/main.go":                        nil,
		"postern":                                    nil,
	} {
		if diff := cmp.Diff(want, command(code)); diff != "" {
			t.Errorf("%s: %s", code, diff)
		}
	}
	page := "text `postern list --json`\n\n    postern version\n    postern demo \\\n        --mode main\n\n```sh\npostern status\n```\n"
	want := []shown{{[]string{"version"}, true}, {[]string{"demo", "--mode", "main"}, true}, {[]string{"status"}, true}, {[]string{"list", "--json"}, false}}
	if diff := cmp.Diff(want, commands(page), cmp.AllowUnexported(shown{})); diff != "" {
		t.Error(diff)
	}
}
