package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// nfpm is installed by version, so that go.mod lists what ships.
const (
	nfpm        = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"
	packagesDir = "packaging"
)

// maintainer is whom packages name. The project has no address of its own: whoever publishes gives theirs.
func maintainer() string {
	if m := os.Getenv("MAINTAINER"); m != "" {
		return m
	}
	return "The postern authors <postern@localhost>"
}

// packages makes the packages of Linux: a recipe is packaging/nfpm-NAME.yaml, and its paths start in the folder where
// stage put the files, with the architecture's programs in bin.
func (r *release) packages(work string) error {
	if r.only == "archives" {
		return nil
	}
	tool, err := r.tool(nfpm)
	if err != nil {
		return err
	}
	stage := filepath.Join(work, "stage")
	formats := []string{"deb", "rpm", "apk", "archlinux"}
	if r.only == "deb" {
		formats = formats[:1]
	}
	for _, t := range r.targets() {
		if t.os != "linux" {
			continue
		}
		bin := filepath.Join(stage, "bin")
		if err := r.layPrograms(filepath.Join(work, "bin", t.String()), bin); err != nil {
			return err
		}
		recipes, err := filepath.Glob(packagesDir + "/nfpm-*.yaml")
		if err != nil {
			return err
		}
		for _, recipe := range recipes {
			if strings.Contains(recipe, "nfpm-gui") && !has(filepath.Join(bin, guiProgram)) {
				continue // buildGUI said why, or it is another architecture
			}
			for _, format := range formats {
				if format == "apk" && strings.Contains(recipe, "nfpm-gui") {
					continue // Alpine has another C library than the one it was built with
				}
				if err := r.pack1(tool, stage, recipe, format, t.arch); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *release) pack1(tool, stage, recipe, format, arch string) error {
	config, err := filepath.Abs(recipe)
	if err != nil {
		return err
	}
	_, err = run(stage, "VERSION="+r.version, "ARCH="+arch, "MAINTAINER="+maintainer(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.epoch, 10),
		tool, "package", "--config", config, "--packager", format, "--target", r.out)
	return err
}

// layPrograms copies the programs of one architecture to where the recipes look for them.
func (r *release) layPrograms(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := r.put(filepath.Join(to, e.Name()), data, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func has(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tool installs a program of another module, of the version named, and returns its path.
func (r *release) tool(at string) (string, error) {
	path, _, _ := strings.Cut(at, "@")
	if _, err := run(".", "GOBIN="+r.tools, "GOFLAGS=", "go", "install", at); err != nil {
		return "", err
	}
	return filepath.Join(r.tools, filepath.Base(path)), nil
}
