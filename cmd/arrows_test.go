// Package cmd has no program of its own: it holds the rules that every package of the module keeps.
package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "postern"

// arrows lists, for every package of the module, which others it may import. Test files are free.
var arrows = map[string][]string{
	"ike/isakmp":             {},
	"tun/esp/lanes":          {},
	"tun/hostnet":            {"tun/hostnet/hostcmd"},
	"tun/hostnet/hostcmd":    {},
	"tun/proxy":              {},
	"tun/tuntest":            {},
	"tun/faults":             {},
	"client/profile":         {},
	"client/profile/formats": {"client/profile"},
	"client/profile/bundle":  {"client/profile"},
	"client/prompt":          {},
	"client/secret":          {},
	"client/token":           {},
	"client/token/tokentest": {"ike/pki/pkitest"},
	"ike/pki":                {},
	"ike/pki/pkitest":        {},
	"xauth/otp":              {},

	"ike":             {"ike/isakmp"},
	"ike/iketest":     {"ike", "ike/isakmp"},
	"tun/memnet":      {"tun", "tun/faults"},
	"tun/esp":         {"tun/esp/lanes"},
	"tun":             {"tun/esp"},
	"client/localapi": {"client/prompt"},

	"xauth":         {"ike", "ike/isakmp", "xauth/otp", "client/prompt"},
	"stamp":         {"ike", "ike/isakmp", "client/prompt"},
	"client/person": {"client/localapi", "client/profile", "client/profile/formats", "client/secret"},
	"gui":           {"client/localapi", "client/person", "client/profile", "client/profile/formats", "client/prompt", "client/secret"},

	"client":           {"ike", "ike/isakmp", "ike/pki", "client/token", "xauth", "xauth/otp", "stamp", "tun", "tun/esp", "tun/hostnet", "tun/proxy", "client/profile", "client/prompt", "client/localapi"},
	"client/diagnosis": {"client", "ike", "ike/isakmp", "stamp", "tun", "tun/hostnet", "client/localapi", "client/profile", "client/prompt"},
	"client/service":   {"client", "client/diagnosis", "client/localapi", "client/profile", "client/prompt", "tun/hostnet"},
	"client/concentrator": {
		"ike", "ike/isakmp", "ike/pki", "xauth", "xauth/otp", "stamp", "tun", "tun/esp", "tun/hostnet", "client/prompt", "client/concentrator/radius",
	},
	"client/concentrator/radius":       {"client/prompt"},
	"client/concentrator/radiusserver": {"client/concentrator/radius"},
	"client/interop":                   {},

	"docs":                    {},
	"packaging/bench":         {"packaging/bench/figures"},
	"packaging/bench/figures": {},
	"packaging/bench/tunnel":  {"tun", "tun/esp", "tun/esp/lanes"},
	"packaging/release":       {},

	"cmd": {},
	"cmd/postern": {
		"ike", "ike/isakmp", "xauth", "stamp", "tun", "tun/esp", "tun/hostnet", "tun/proxy", "client", "client/concentrator",
		"client/diagnosis", "client/localapi", "client/profile", "client/profile/formats", "client/profile/bundle", "client/person", "client/prompt", "client/secret", "client/service", "client/concentrator/radiusserver",
	},
	"cmd/postern-gui":  {"gui", "client/localapi"},
	"cmd/concentrator": {"client/concentrator"},
}

// only lists packages outside the module, by prefix, with the packages of the module that may import them.
var only = map[string][]string{
	"fyne.io/":         {"gui", "cmd/postern-gui"},
	"layeh.com/radius": {"client/concentrator/radius", "client/concentrator/radiusserver"},
}

// never lists packages outside the module, by name, that a package of the module must not import: the protocol knows
// neither the operating system nor HTTP, and ESP has no socket and no clock.
var never = map[string][]string{
	"ike/isakmp":    {"os", "net/http", "syscall"},
	"ike":           {"os", "net/http", "syscall"},
	"xauth":         {"os", "net/http", "syscall"},
	"ike/pki":       {"os", "net/http", "syscall"}, // and follows no URL of a certificate
	"stamp":         {"os", "net/http", "syscall"},
	"xauth/otp":     {"os", "net", "net/http", "syscall"},
	"tun/esp":       {"os", "net", "net/http", "syscall", "time"},
	"tun/esp/lanes": {"os", "net", "net/http", "syscall", "time"},
}

func TestArrows(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		t.Run(system, func(t *testing.T) {
			imports := list(t, system)
			if len(imports) < 2 {
				t.Fatalf("only %d packages listed", len(imports))
			}
			for _, v := range violations(imports) {
				t.Error(v)
			}
		})
	}
}

// list returns what each package of the module imports on a system, test files apart.
func list(t *testing.T, system string) map[string][]string {
	t.Helper()
	c := exec.Command("go", "list", "-e", "-tags", "gui", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")
	c.Dir = ".."
	c.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		imports[f[0]] = f[1:]
	}
	return imports
}

// violations tells each import that breaks a rule, in order.
func violations(imports map[string][]string) []string {
	var found []string
	for path, imported := range imports {
		from := strings.TrimPrefix(path, module+"/")
		allowed, known := arrows[from]
		if !known {
			found = append(found, from+" has no line in the table of arrows")
			continue
		}
		for _, to := range imported {
			if why := verdict(from, to, allowed); why != "" {
				found = append(found, fmt.Sprintf("%s must not import %s: %s", from, to, why))
			}
		}
	}
	slices.Sort(found)
	return found
}

// verdict says why a package must not import another; empty: it may.
func verdict(from, to string, allowed []string) string {
	if inside, ok := strings.CutPrefix(to, module+"/"); ok {
		if slices.Contains(allowed, inside) {
			return ""
		}
		return "no arrow"
	}
	if slices.Contains(never[from], to) {
		return "it lies outside its knowledge"
	}
	for prefix, users := range only {
		if strings.HasPrefix(to, prefix) && !slices.Contains(users, from) {
			return "for " + strings.Join(users, ", ") + " only"
		}
	}
	return ""
}

func TestArrowsFindViolations(t *testing.T) {
	got := violations(map[string][]string{
		"postern/ike":         {"context", "postern/ike/isakmp", "postern/tun", "net/http"},
		"postern/xauth":       {"postern/ike", "postern/stamp"},
		"postern/cmd/postern": {"os", "postern/client", "postern/gui", "fyne.io/fyne/v2"},
		"postern/gui":         {"fyne.io/fyne/v2"},
		"postern/util":        {},
	})
	want := []string{
		"cmd/postern must not import fyne.io/fyne/v2: for gui, cmd/postern-gui only",
		"cmd/postern must not import postern/gui: no arrow",
		"ike must not import net/http: it lies outside its knowledge",
		"ike must not import postern/tun: no arrow",
		"util has no line in the table of arrows",
		"xauth must not import postern/stamp: no arrow",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}
