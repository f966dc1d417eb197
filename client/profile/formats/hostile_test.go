package formats

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/client/profile"
)

func init() {
	secretsOf = append(secretsOf, "Gr0up S3cret!", "Sh@r3dK3ySP*&%$", "HelloWorld", "gr0up of staff", "a secret = with equals", "letmein; now",
		"quoted # secret ", `pa ss "word"`, "second-one-loses", "Th!sIsMyK3y#", "plain-Secret-7", "an old secret", "*not base64*",
		` l\ibre `, "not-for-anybody", "the 0ffice secret", "never shown", "hush hush", "swordfish", "naïve-Über-Schlüssel",
		"yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", "19BA022B1962F6A9371F1D151837C9D801A4057176741B5D", "D06615FC4D2046942A6F3995")
}

// A file of a stranger's is refused or tamed, soon, in little memory, and with a
// sentence.
func TestHostileFiles(t *testing.T) {
	pcf := "[main]\nHost=vpn.example\nGroupName=g\n"
	for _, c := range []struct {
		name string
		data string
		want string // part of what is said; "" where nothing has to be
	}{
		{"a line of 64 MiB", pcf + strings.Repeat("x", 64<<20), "at most 1048576"},
		{"a line of 512 KiB", pcf + "GroupPwd=" + strings.Repeat("x", 512<<10), "at most 65536"},
		{"a NUL", pcf + "GroupPwd=a\x00b\n", "isn't a profile"},
		{"10,000 sections", pcf + manyLines(10000, "[s%d]\nkey=value\n"), "more than 512 sections"},
		{"10,000 keys", pcf + manyLines(10000, "key%d=value\n"), "more than 1024 keys"},
		{"one key 60,000 times", pcf + strings.Repeat("Username=x\n", 60000), ""},
		{"one of vpnc's 30,000 times", "IPSec gateway vpn.example\n" + strings.Repeat("Xauth username x\n", 30000), "There is more of this kind"},
		{"30,000 unknown directives", "IPSec gateway vpn.example\n" + manyLines(30000, "Directive %d\n"), "There is more of this kind"},
		{"one of Shrew's 60,000 times", "s:network-host:vpn.example\n" + strings.Repeat("s:a:b\n", 60000), "a list is longer"},
		{"60,000 of Shrew's", "s:network-host:vpn.example\n" + manyLines(60000, "n:a%d:1\n"), "more than 1024 names"},
		{"a keyfile with 10,000 routes", nmHead + "[ipv4]\n" + manyLines(10000, "route%d=10.0.0.0/8\n"), "more than 1024 keys"},
		{"10,000 connections", "[" + manyLines(10000, `{"name":"n%d","gateway":"vpn.example","id":"g"},`+"\n") + `{"name":"n","gateway":"vpn.example"}]`, "more than 256 connections"},
		{"deep JSON", strings.Repeat("[\n", 50000), "isn't a profile"},
		{"deep objects", strings.Repeat("{\"type\":\n", 50000), "isn't a profile"},
		{"deep braces", "connections {\n" + strings.Repeat("a {\n", 50000), ""},
		{"deep arrays of TOML", `gateway = "vpn.example"` + "\nnetworks = " + strings.Repeat("[\n", 50000), ""},
		{"a path in the name", "[main]\nDescription=../../../etc/cron.d/evil\nHost=vpn.example\n", `"etc cron.d evil"`},
		{"a gateway that goes on", "[main]\nHost=vpn.example -o ProxyCommand=x\n", "isn't a host name"},
		{"control characters in the user", "[main]\nHost=vpn.example\nUsername=a\x1b]0;b\x07\n", "control character"},
		{"control characters in the group", "[main]\nHost=vpn.example\nGroupName=a\x08b\n", "control character"},
		{"control characters in a key", pcf + "\x1b[2Jkey=1\n", "?[2Jkey"},
		// CVE-2018-10900: a newline in a value became a line of vpnc's configuration.
		{"a newline in a keyfile's user", nmHead + "[vpn]\nXauth username=jdoe\\nPassword helper /tmp/evil\n", "control character"},
		{"a newline in a keyfile's gateway", nmHead + "[vpn]\nIPSec gateway=a.example\\nScript /tmp/evil\n", "isn't a host name"},
		{"a newline in a keyfile's secret", nmHead + "[vpn-secrets]\nXauth password=hunter2\\nScript /tmp/evil\n", "control character"},
		{"a profile's key twice", "gateway = \"vpn.example\"\nuser = \"a\"\nuser = \"b\"\n", "stands in line 2 already"},
		{"an invalid character", "\xff\xfe\x00\xd8=\x00", "isn't a profile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			data := []byte(c.data)
			r, err := Import([]File{{Name: "x.conf", Data: data}})
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc - uint64(len(data)); n > 256<<20 {
				t.Errorf("%d MiB were allocated", n>>20)
			}
			if took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			soundImport(t, r, err)
			if said := describe(r, err); !strings.Contains(said, c.want) {
				t.Errorf("said %.600q, want %q", said, c.want)
			}
		})
	}
}

const nmHead = "[connection]\nid=x\ntype=vpn\nuuid=1\n[vpn]\nservice-type=org.freedesktop.NetworkManager.vpnc\nIPSec gateway=vpn.example\nIPSec ID=g\n"

func manyLines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// A newline in a keyfile's secret stays in it, and is written nowhere as a line.
func TestNewlineInSecret(t *testing.T) {
	r, err := Import([]File{{Name: "x", Data: []byte(nmHead + "[vpn-secrets]\nIPSec secret=psk\\nScript /tmp/evil\n")}})
	if err != nil {
		t.Fatal(err)
	}
	p := r.Profiles[0].Profile
	if string(p.Secret) != "psk\nScript /tmp/evil" {
		t.Fatalf("%q", []byte(p.Secret))
	}
	for _, format := range Formats() {
		data, _, err := Export(p, format, true)
		if err != nil {
			t.Logf("%s: %v", format, err)
			continue
		}
		if bytes.Contains(data, []byte("\nScript")) {
			t.Errorf("%s: %s", format, data)
		}
	}
}

// soundImport checks what is true of every answer of Import.
func soundImport(t *testing.T, r *Result, err error) {
	t.Helper()
	if err != nil {
		if r != nil || err.Error() == "" {
			t.Fatalf("a result beside the error %v", err)
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Errorf("control characters in %q", line)
			}
		}
		return
	}
	if len(r.Profiles) == 0 {
		t.Fatal("neither profiles nor an error")
	}
	sound(t, r)
	names := map[string]bool{}
	for _, i := range r.Profiles {
		if clean(i.Source) != i.Source || !slices.Contains(Readable(), i.Format) {
			t.Errorf("from %q, %q", i.Format, i.Source)
		}
		p := i.Profile
		if err := profile.CheckName(p.Name); err != nil || names[strings.ToLower(p.Name)] {
			t.Errorf("the name %q, a second one or %v", p.Name, err)
		}
		names[strings.ToLower(p.Name)] = true
		for _, f := range []struct {
			path string
			data []byte
		}{{p.Certificate, p.Files.Certificate}, {p.Key, p.Files.Key}, {p.CA, p.Files.CA}, {p.GatewayCertificate, p.Files.GatewayCertificate}} {
			if f.data != nil && (f.path == "" || strings.ContainsAny(f.path, `/\`) || strings.HasPrefix(f.path, ".")) {
				t.Errorf("%d octets are to be stored as %q", len(f.data), f.path)
			}
		}
	}
}

func TestTooManyFiles(t *testing.T) {
	if _, err := Import(make([]File, maxFiles+1)); err == nil || !strings.Contains(err.Error(), "65 files are too many") {
		t.Error(err)
	}
	if _, err := Import(nil); err == nil {
		t.Error("no file is no error")
	}
}
