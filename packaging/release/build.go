package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// target is a system and an architecture, as Go names them.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "-" + t.arch }

func (t target) exe(program string) string {
	if t.os == "windows" {
		return program + ".exe"
	}
	return program
}

// programs need no C compiler and are built for every target.
var programs = []string{"postern", "concentrator"}

// targets are those of this run.
func (r *release) targets() []target {
	if r.only != "" {
		return []target{{"linux", runtime.GOARCH}}
	}
	var all []target
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			all = append(all, target{system, arch})
		}
	}
	return all
}

// described is what git says of a commit after a tag: v1.2.3-4-g0123abc.
var described = regexp.MustCompile(`^v(\d+(?:\.\d+)+)-(\d+)-g([0-9a-f]+)$`)

// stamp finds out version and time. A commit with the tag v1.2.3 is version 1.2.3, the fourth after it 1.2.3.4; without
// any tag the nth commit is 0.0.0.n. The programs say which commit it was, too.
func (r *release) stamp() error {
	epoch, err := run(".", "git", "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	if given := os.Getenv("SOURCE_DATE_EPOCH"); given != "" {
		epoch = given
	}
	if r.epoch, err = strconv.ParseInt(epoch, 10, 64); err != nil {
		return fmt.Errorf("the commit's time: %w", err)
	}
	text, err := run(".", "git", "describe", "--tags", "--long", "--abbrev=12", "--match", "v[0-9]*.[0-9]*", "--exclude", "*-*")
	if err != nil {
		count, err := run(".", "git", "rev-list", "--count", "HEAD")
		if err != nil {
			return err
		}
		hash, err := run(".", "git", "rev-parse", "--short=12", "HEAD")
		if err != nil {
			return err
		}
		text = "v0.0.0-" + count + "-g" + hash
	}
	changed, err := run(".", "git", "status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return err
	}
	version, full, err := versions(text, changed != "")
	if err != nil {
		return err
	}
	if r.version == "" {
		r.version, r.full = version, full
	} else {
		r.full = r.version
	}
	return nil
}

// versions turns git's description into a package's version and the programs' own.
func versions(text string, changed bool) (version, full string, err error) {
	m := described.FindStringSubmatch(text)
	if m == nil {
		return "", "", fmt.Errorf("git describes the commit as %q, which is no version", text)
	}
	version = m[1]
	if m[2] != "0" {
		version += "." + m[2]
	}
	full = version + "+g" + m[3]
	if changed {
		full += ".changed"
	}
	return version, full, nil
}

// build builds the programs into work/bin/OS-ARCH.
func (r *release) build(work string) error {
	for _, t := range r.targets() {
		for _, p := range programs {
			if err := r.compile(work, t, p, "CGO_ENABLED=0"); err != nil {
				return err
			}
		}
	}
	if r.only == "archives" || r.noGUI {
		return nil
	}
	if r.only == "" {
		if err := r.buildWindowsGUI(work); err != nil {
			return err
		}
	}
	return r.buildGUI(work)
}

func (r *release) compile(work string, t target, program string, more ...string) error {
	words := append([]string{"GOOS=" + t.os, "GOARCH=" + t.arch}, more...)
	words = append(words, "go", "build", "-trimpath", "-buildvcs=false")
	ldflags := "-s -w -buildid= -X main.version=" + r.full
	switch {
	case program == guiProgram && t.os == "windows":
		words, ldflags = append(words, "-tags", "gui"), ldflags+" -H windowsgui"
	case program == guiProgram:
		// What links with C code is loaded at an address of chance, as distributions want it.
		words = append(words, "-tags", "gui", "-buildmode=pie")
	}
	words = append(words, "-ldflags", ldflags, "-o", filepath.Join(work, "bin", t.String(), t.exe(program)), "./cmd/"+program)
	_, err := run(".", words...)
	return err
}

const guiProgram = "postern-gui"

// buildGUI builds the window, for this machine alone: it links against the system's C libraries.
func (r *release) buildGUI(work string) error {
	if runtime.GOOS != "linux" {
		fmt.Println("left out: the window's package, which is built on Linux")
		return nil
	}
	if why := missingForGUI(); why != "" {
		fmt.Println("left out: the window's package; " + why)
		return nil
	}
	t := target{"linux", runtime.GOARCH}
	if err := r.compile(work, t, guiProgram, "CGO_ENABLED=1"); err != nil {
		return err
	}
	r.gui = filepath.Join(work, "bin", t.String(), guiProgram)
	return nil
}

// guiLibraries are what pkg-config must know to build the window, with Debian's packages.
var guiLibraries = map[string]string{
	"gl": "libgl-dev", "x11": "libx11-dev", "xcursor": "libxcursor-dev", "xrandr": "libxrandr-dev",
	"xinerama": "libxinerama-dev", "xi": "libxi-dev", "xxf86vm": "libxxf86vm-dev",
}

// missingForGUI says why the window can't be built here, "" if it can.
func missingForGUI() string {
	if _, err := exec.LookPath("gcc"); err != nil {
		return "it needs a C compiler: apt-get install gcc libc6-dev"
	}
	if _, err := exec.LookPath("pkg-config"); err != nil {
		return "it needs pkg-config: apt-get install pkg-config"
	}
	var packages []string
	for library, debian := range guiLibraries {
		if exec.Command("pkg-config", "--exists", library).Run() != nil {
			packages = append(packages, debian)
		}
	}
	if len(packages) > 0 {
		return "it needs libraries: apt-get install " + strings.Join(packages, " ")
	}
	return ""
}
