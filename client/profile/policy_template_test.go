package profile

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"howett.net/plist"
)

const packaging = "../../packaging"

// admx is what is wanted of a policy template.
type admx struct {
	Categories []struct {
		DisplayName string `xml:"displayName,attr"`
		ExplainText string `xml:"explainText,attr"`
	} `xml:"categories>category"`
	Policies []struct {
		Name         string `xml:"name,attr"`
		Class        string `xml:"class,attr"`
		DisplayName  string `xml:"displayName,attr"`
		ExplainText  string `xml:"explainText,attr"`
		Presentation string `xml:"presentation,attr"`
		Key          string `xml:"key,attr"`
		Elements     struct {
			Any []struct {
				XMLName   xml.Name
				ID        string `xml:"id,attr"`
				ValueName string `xml:"valueName,attr"`
				Items     []struct {
					DisplayName string `xml:"displayName,attr"`
					Value       string `xml:"value>string"`
				} `xml:"item"`
			} `xml:",any"`
		} `xml:"elements"`
	} `xml:"policies>policy"`
}

type adml struct {
	Strings []struct {
		ID   string `xml:"id,attr"`
		Text string `xml:",chardata"`
	} `xml:"resources>stringTable>string"`
	Presentations []struct {
		ID  string `xml:"id,attr"`
		Any []struct {
			XMLName xml.Name
			RefID   string `xml:"refId,attr"`
		} `xml:",any"`
	} `xml:"resources>presentationTable>presentation"`
}

func unmarshalXML(t *testing.T, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(packaging, name))
	if err == nil {
		err = xml.Unmarshal(data, to)
	}
	if err != nil {
		t.Fatal(name, err)
	}
}

// kinds says for each key whether it is a list.
func kinds() map[string]bool {
	out := map[string]bool{}
	for _, key := range MachineKeys() {
		out[key] = slices.Contains([]string{"locked", "preset", "allowed_gateways", "trusted_keys"}, key)
	}
	return out
}

// accepted checks that the machine's policy takes a value.
func accepted(t *testing.T, key string, value any) {
	t.Helper()
	if _, err := machineOf(map[string]any{key: value}, "test"); err != nil {
		t.Errorf("%s = %v: %v", key, value, err)
	}
}

// The file, the registry and the preferences have the same keys, of the same kinds, and
// the values that are offered to choose from are taken.
func TestTemplatesKnowTheKeys(t *testing.T) {
	var inFile []string
	for _, in := range []reflect.Type{reflect.TypeFor[filePolicy](), reflect.TypeFor[fileMachine]()} {
		for f := range in.Fields() {
			if tag := f.Tag.Get("toml"); tag != "" {
				inFile = append(inFile, tag)
			}
		}
	}
	want := slices.Sorted(slices.Values(MachineKeys()))
	if got := slices.Sorted(slices.Values(inFile)); !slices.Equal(got, want) {
		t.Errorf("policy.toml has %v, not %v", got, want)
	}
	if got := admxKeys(t); !slices.Equal(got, want) {
		t.Errorf("the template has %v, not %v", got, want)
	}
	if got := manifestKeys(t); !slices.Equal(got, want) {
		t.Errorf("the manifest has %v, not %v", got, want)
	}
}

func admxKeys(t *testing.T) (keys []string) {
	var template admx
	var language adml
	unmarshalXML(t, "windows/postern.admx", &template)
	unmarshalXML(t, "windows/en-US/postern.adml", &language)
	texts := map[string]bool{"SUPPORTED": true}
	for _, s := range language.Strings {
		texts[s.ID] = strings.TrimSpace(s.Text) != ""
	}
	said := func(ref string) {
		t.Helper()
		id := strings.TrimSuffix(strings.TrimPrefix(ref, "$(string."), ")")
		if !texts[id] || "$(string."+id+")" != ref {
			t.Errorf("%s isn't among the strings", ref)
		}
	}
	presentations := map[string]string{}
	for _, p := range language.Presentations {
		for _, e := range p.Any {
			presentations[p.ID+"/"+e.RefID] = e.XMLName.Local
		}
	}
	for _, c := range template.Categories {
		said(c.DisplayName)
		said(c.ExplainText)
	}
	widgets := map[string]string{"multiText": "multiTextBox", "enum": "dropdownList", "text": "textBox"}
	for _, p := range template.Policies {
		said(p.DisplayName)
		said(p.ExplainText)
		if p.Key != `SOFTWARE\Policies\Postern` || p.Class != "Machine" || len(p.Elements.Any) != 1 {
			t.Errorf("%+v", p)
			continue
		}
		e := p.Elements.Any[0]
		keys = append(keys, e.ValueName)
		presentation := strings.TrimSuffix(strings.TrimPrefix(p.Presentation, "$(presentation."), ")")
		if got, want := presentations[presentation+"/"+e.ID], widgets[e.XMLName.Local]; got == "" || got != want {
			t.Errorf("%s is shown as %q, not %q", p.Name, got, want)
		}
		if (e.XMLName.Local == "multiText") != kinds()[e.ValueName] {
			t.Errorf("%s is a %s", e.ValueName, e.XMLName.Local)
		}
		for _, i := range e.Items {
			said(i.DisplayName)
			accepted(t, e.ValueName, i.Value)
		}
	}
	slices.Sort(keys)
	return keys
}

func manifestKeys(t *testing.T) (keys []string) {
	data, err := os.ReadFile(filepath.Join(packaging, "macos", "io.postern.Postern.plist"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Domain  string `plist:"pfm_domain"`
		Subkeys []struct {
			Name        string   `plist:"pfm_name"`
			Type        string   `plist:"pfm_type"`
			Title       string   `plist:"pfm_title"`
			Description string   `plist:"pfm_description"`
			Range       []string `plist:"pfm_range_list"`
			Titles      []string `plist:"pfm_range_list_titles"`
		} `plist:"pfm_subkeys"`
	}
	if _, err := plist.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Domain != "io.postern.Postern" {
		t.Errorf("the domain %q", manifest.Domain)
	}
	for _, k := range manifest.Subkeys {
		keys = append(keys, k.Name)
		if (k.Type == "array") != kinds()[k.Name] || k.Title == "" || k.Description == "" || len(k.Range) != len(k.Titles) {
			t.Errorf("%+v", k)
		}
		for _, v := range k.Range {
			accepted(t, k.Name, v)
		}
	}
	slices.Sort(keys)
	return keys
}

// The table in the documentation is what happens.
func TestDocumentedPrecedence(t *testing.T) {
	data, err := os.ReadFile("../../docs/managed.md")
	if err != nil {
		t.Fatal(err)
	}
	says := map[bool]string{true: "yes", false: "no"}
	for _, policy := range []SaveSecrets{SaveAsGatewaySays, SaveAllowed, SaveForbidden} {
		for _, gateway := range []*bool{nil, new(true), new(false)} {
			said := "nothing"
			if gateway != nil {
				said = says[*gateway]
			}
			may := Policies{{SaveSecrets: policy}}.MaySave(gateway)
			row := fmt.Sprintf("| `%s` | %s | %s |", written(policy), said, says[may])
			if !strings.Contains(string(data), row+"\n") {
				t.Errorf("docs/managed.md lacks %s", row)
			}
		}
	}
	for _, key := range MachineKeys() {
		if !strings.Contains(string(data), "`"+key+"`") {
			t.Errorf("docs/managed.md says nothing of %s", key)
		}
	}
}
