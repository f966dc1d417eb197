package localapi

import (
	"bytes"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// families reads the text format as Prometheus does.
func read(t *testing.T, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	var p expfmt.TextParser
	all, err := p.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return all
}

func TestMetrics(t *testing.T) {
	golden(t, "metrics.txt", exposition(example(), moment.Add(90*time.Second)))
	for name, family := range read(t, exposition(example(), moment)) {
		if counter := strings.HasSuffix(name, "_total"); counter != (family.GetType() == dto.MetricType_COUNTER) {
			t.Errorf("%s is a %v", name, family.GetType())
		}
		if family.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		seen := map[string]bool{}
		for _, m := range family.GetMetric() {
			if key := m.String(); seen[key] {
				t.Errorf("%s twice: %s", name, key)
			} else {
				seen[key] = true
			}
		}
	}
}

func TestMetricsWithoutTunnels(t *testing.T) {
	all := read(t, exposition(Snapshot{Version: "1", Mode: ModeUser}, moment))
	if got := all["postern_build_info"].GetMetric(); len(got) != 1 || len(got[0].GetLabel()) != 2 {
		t.Errorf("%v", got)
	}
}

// TestMetricsEscape has labels that a person or a gateway chose.
func TestMetricsEscape(t *testing.T) {
	for _, name := range []string{"a\"b", `a\b`, "a\nb", "a\\\n\"}", "ä…", "a b{c}=,", "postern_tunnel_info 1\n"} {
		s := example()
		s.Tunnels[1].ID, s.Tunnels[1].Owner, s.Tunnels[1].Gateway.Name = name, name, name
		s.Tunnels[1].Traffic.In.Dropped = map[string]uint64{name: 1}
		found := 0
		for _, family := range read(t, exposition(s, moment)) {
			for _, m := range family.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetValue() == name {
						found++
					}
				}
			}
		}
		// 3 in info, 10 states, since, 2 and 2 counters, 2 in a drop, 2 ages.
		if found != 22 {
			t.Errorf("%q: %d labels have it", name, found)
		}
	}
	s := example()
	s.Tunnels[1].ID = "a\xffb"
	read(t, exposition(s, moment))
}
