package gui

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// keys are all texts that the window shows: the arguments of lang.L.
func keys(t *testing.T) []string {
	t.Helper()
	found := make(map[string]bool)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			name, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || name.Sel.Name != "L" {
				return true
			}
			if pkg, ok := name.X.(*ast.Ident); !ok || pkg.Name != "lang" {
				return true
			}
			text, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: lang.L of what isn't a text", file)
				return true
			}
			s, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[s] = true
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

var placeholders = regexp.MustCompile(`\{\{[^}]*\}\}`)

// Every text is there in every language, with the same places for values, and no other.
func TestTranslations(t *testing.T) {
	want := keys(t)
	if len(want) < 50 {
		t.Fatalf("only %d texts found", len(want))
	}
	files, err := fs.Glob(translations, "translations/*.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := translations.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts := make(map[string]string)
		if err := json.Unmarshal(data, &texts); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, k := range want {
			text, ok := texts[k]
			if !ok {
				t.Errorf("%s lacks %q", file, k)
				continue
			}
			a, b := placeholders.FindAllString(k, -1), placeholders.FindAllString(text, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s: %q has the places %v, want %v", file, text, b, a)
			}
			delete(texts, k)
		}
		for k := range texts {
			t.Errorf("%s has %q, which nothing shows", file, k)
		}
	}
}
