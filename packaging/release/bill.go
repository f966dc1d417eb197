package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"
)

// A bill of materials as CycloneDX 1.6 has it (ECMA-424), the fields that we fill.
type (
	bom struct {
		BOMFormat   string      `json:"bomFormat"`
		SpecVersion string      `json:"specVersion"`
		Version     int         `json:"version"`
		Metadata    bomMetadata `json:"metadata"`
		Components  []component `json:"components"`
	}
	bomMetadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		PURL       string     `json:"purl,omitempty"`
		Licences   []licence  `json:"licenses,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	licence struct {
		Expression string `json:"expression"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// bill writes a bill of materials for each program: the modules that the linker says it contains, in any of the targets.
func (r *release) bill(work string) error {
	if r.only != "" {
		return nil
	}
	all, err := dependencies()
	if err != nil {
		return err
	}
	licences := map[string]string{}
	for _, m := range all {
		licences[m.Path] = m.licence
	}
	for _, p := range append(slices.Clone(programs), guiProgram) {
		if p == guiProgram && r.gui == "" {
			continue
		}
		b, err := r.contents(work, p, licences)
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(b, "", "  ")
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s-%s.cdx.json", p, r.version)
		if err := os.WriteFile(filepath.Join(r.out, name), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// contents reads what the linker noted in the program's files.
func (r *release) contents(work, program string, licences map[string]string) (*bom, error) {
	modules := map[string]*debug.Module{}
	var compiler string
	for _, t := range r.targets() {
		path := filepath.Join(work, "bin", t.String(), t.exe(program))
		if program == guiProgram && !has(path) {
			continue
		}
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, err
		}
		compiler = info.GoVersion
		for _, m := range info.Deps {
			modules[m.Path] = m
		}
	}
	b := &bom{BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1}
	b.Metadata.Timestamp = time.Unix(r.epoch, 0).UTC().Format(time.RFC3339)
	b.Metadata.Component = component{Type: "application", Ref: program, Name: program, Version: r.full, Licences: []licence{{"BSD-3-Clause"}}}
	b.Components = []component{{
		Type: "library", Ref: "pkg:golang/std@" + compiler, Name: "std", Version: compiler,
		PURL: "pkg:golang/std@" + compiler, Licences: []licence{{"BSD-3-Clause"}},
	}}
	for _, m := range slices.SortedFunc(maps.Values(modules), func(a, b *debug.Module) int { return cmp.Compare(a.Path, b.Path) }) {
		if licences[m.Path] == "" {
			return nil, fmt.Errorf("%s contains %s, whose licence wasn't looked at", program, m.Path)
		}
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		b.Components = append(b.Components, component{
			Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl,
			Licences: []licence{{licences[m.Path]}}, Properties: []property{{"go:sum", m.Sum}},
		})
	}
	return b, nil
}
