package formats

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"postern/client/profile"
)

// profileName is the wanted name with what a profile's name can't have left out; the
// file's where nothing is left of it.
func (d *draft) profileName() string {
	if s := tameName(d.name); s != "" {
		if s != d.name {
			d.guessed(at{}, fmt.Sprintf("The name became %q: a profile's has 1 to 64 letters, digits, blanks and \"._-@+\".", s))
		}
		return s
	}
	if s := tameName(strings.TrimSuffix(d.f.name, filepath.Ext(d.f.name))); s != "" {
		return s
	}
	return "imported"
}

// tameName leaves only what profile.CheckName takes, at most 60 characters. What can't
// stay becomes a blank, and blanks in a row one.
func tameName(s string) string {
	if profile.CheckName(s) == nil {
		return s
	}
	if len(s) > maxLine {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune("._-@+", r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, " "))
	s = strings.TrimLeftFunc(strings.Join(strings.Fields(s), " "), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60])
	}
	s = strings.TrimRight(s, " ")
	if profile.CheckName(s) != nil {
		return ""
	}
	return s
}

// freeName is a name that no profile of this run has yet.
func (r *reading) freeName(name string) string {
	taken := map[string]bool{}
	for _, p := range r.out.Profiles {
		taken[strings.ToLower(p.Profile.Name)] = true
	}
	free := name
	if r := []rune(name); len(r) > 58 { // a number has to fit behind it
		name = strings.TrimRight(string(r[:58]), " ")
	}
	for n := 2; taken[strings.ToLower(free)]; n++ {
		free = fmt.Sprintf("%s %d", name, n)
	}
	return free
}

// fileName is a safe name, without a folder, for a file beside the profile.
func fileName(name string) string {
	s := strings.ReplaceAll(tameName(base(name)), " ", "-")
	if s == "" {
		return "imported.pem"
	}
	return s
}
