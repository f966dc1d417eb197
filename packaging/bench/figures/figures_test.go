package figures

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		want   Spread
	}{
		{"none", nil, Spread{}},
		{"one", []float64{3}, Spread{3, 3, 3, 1}},
		{"odd", []float64{9, 1, 4}, Spread{4, 1, 9, 3}},
		{"even: the mean of the middle two", []float64{8, 1, 2, 4}, Spread{3, 1, 8, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Of(c.values); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// The median of ratios isn't the ratio of medians: a round in which the machine was slow counts like any other.
func TestRatios(t *testing.T) {
	got := Ratios([]float64{6, 2, 30}, []float64{3, 2, 10})
	if want := (Spread{2, 1, 3, 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	got = Ratios([]float64{1, 0, 1, math.NaN(), 4, 1}, []float64{0, 5, 2, 1, 2})
	if want := (Spread{1.25, 0.5, 2, 2}); got != want {
		t.Errorf("with what is no number: got %v, want %v", got, want)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		s           Spread
		text, short string
	}{
		{Spread{}, "–", "–"},
		{Spread{1.5, 1.5, 1.5, 1}, "1.5", "1.5"},
		{Spread{2, 1, 4, 7}, "2.0 [1.0–4.0]", "2.0"},
		{Spread{0, 0, 0, 7}, "0.0 [0.0–0.0]", "–"},
	} {
		if got := c.s.Text("%.1f"); got != c.text {
			t.Errorf("%v: text %q, want %q", c.s, got, c.text)
		}
		if got := c.s.Short("%.1f"); got != c.short {
			t.Errorf("%v: short %q, want %q", c.s, got, c.short)
		}
	}
}

func TestVerdict(t *testing.T) {
	more, less := Goal{Floor: 2, Goal: 3}, Goal{Floor: 1, Goal: 0.7, Less: true}
	for _, c := range []struct {
		goal  Goal
		value float64
		want  string
	}{
		{more, 1.99, "below the floor"},
		{more, 2, "floor"},
		{more, 3, "goal"},
		{more, 8, "goal"},
		{less, 1.01, "below the floor"},
		{less, 1, "floor"},
		{less, 0.7, "goal"},
		{less, 0.2, "goal"},
	} {
		if got := c.goal.Verdict(c.value); got != c.want {
			t.Errorf("%v of %+v: %q, want %q", c.value, c.goal, got, c.want)
		}
	}
}

func TestMerge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ratios.json")
	read := func() map[string]float64 {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]float64{}
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if err := Merge(path, []string{"a", "b"}, map[string]Spread{"a": {Median: 1.23456, N: 3}, "b": {Median: 2, N: 1}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"a": 1.235, "b": 2}, read()); diff != "" {
		t.Errorf("a new file (-want +got):\n%s", diff)
	}
	// b isn't measured this time, c is of another benchmark, and x isn't named.
	if err := os.WriteFile(path, []byte(`{"a": 1, "b": 2, "c": 3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Merge(path, []string{"a", "b"}, map[string]Spread{"a": {Median: 7, N: 3}, "x": {Median: 1, N: 1}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"a": 7, "c": 3}, read()); diff != "" {
		t.Errorf("an old file (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Merge(path, []string{"a"}, nil); err == nil {
		t.Error("a file that is no JSON was overwritten")
	}
}

func TestDescribe(t *testing.T) {
	m := Describe("abc")
	if m.Commit != "abc" || m.Date == "" {
		t.Errorf("got %+v", m)
	}
	if m := Describe(""); m.Commit != "unknown" {
		t.Errorf("no commit: got %q", m.Commit)
	}
}
