package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"postern/client/localapi"
)

// showChecks prints checks below each other: of the machine first, then of each
// profile.
func showChecks(out io.Writer, r *localapi.DoctorReport, quiet bool, colours palette) {
	about := ""
	counts := map[localapi.Verdict]int{}
	for _, c := range r.Checks {
		counts[c.Verdict]++
		if quiet && c.Verdict != localapi.VerdictFail && c.Verdict != localapi.VerdictWarn {
			continue
		}
		if c.Profile != about {
			about = c.Profile
			fmt.Fprintf(out, "\n%s\n", colours.paint(bold, about))
		}
		style := map[localapi.Verdict]string{localapi.VerdictOK: green, localapi.VerdictWarn: yellow, localapi.VerdictFail: red, localapi.VerdictSkipped: dim}[c.Verdict]
		word := map[localapi.Verdict]string{localapi.VerdictSkipped: "-"}[c.Verdict]
		if word == "" {
			word = string(c.Verdict)
		}
		fmt.Fprintf(out, "  %s%s", colours.paint(style, word), strings.Repeat(" ", 6-len(word)))
		text := below(wrap(c.Title+": "+c.Found, "", 70))
		fmt.Fprint(out, colours.paint(bold, c.Title+":")+strings.TrimPrefix(text, c.Title+":"))
		if c.Advice != "" {
			fmt.Fprintln(out, "        -> "+c.Advice) // in one line: there are commands to copy in it
		}
	}
	if !quiet {
		fmt.Fprintf(out, "\n%s\n", conclusion(counts))
	}
}

// below indents the lines of a text but the first.
func below(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n        ") + "\n"
}

func conclusion(counts map[localapi.Verdict]int) string {
	wrong, warned := counts[localapi.VerdictFail], counts[localapi.VerdictWarn]
	switch {
	case wrong > 0:
		return number(wrong, "thing is", "things are") + " wrong, " + number(warned, "warning", "warnings") + "."
	case warned > 0:
		return "Nothing is wrong; " + number(warned, "warning", "warnings") + "."
	}
	return "Nothing is wrong."
}

// number writes "1 warning" or "2 warnings".
func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// reportText is a whole report as one text.
func reportText(r *localapi.DoctorReport) string {
	var b strings.Builder
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "==== %s\n%s", s.Name, s.Text)
		if !strings.HasSuffix(s.Text, "\n") {
			b.WriteByte('\n')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// checkReport says whether a report can be written to a file of this name.
func checkReport(name string) error {
	if name == "" || name == "-" {
		return nil
	}
	for _, end := range []string{".zip", ".tar.gz", ".tgz", ".txt"} {
		if strings.HasSuffix(name, end) {
			if _, err := os.Lstat(name); err == nil {
				return usageError{fmt.Errorf("%s is there already", name)}
			}
			return nil
		}
	}
	return usageError{fmt.Errorf("a report's name ends with .zip, .tar.gz or .txt, not %q", name)}
}

// writeReport writes a report to a new file that only its owner may read.
func writeReport(name string, r *localapi.DoctorReport) error {
	var b bytes.Buffer
	var err error
	switch {
	case strings.HasSuffix(name, ".zip"):
		err = zipReport(&b, r)
	case strings.HasSuffix(name, ".txt"):
		b.WriteString(reportText(r))
	default:
		err = tarReport(&b, r)
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	return errors.Join(err, f.Close())
}

// reportFolder is what a report unpacks into.
const reportFolder = "postern-report/"

func zipReport(w io.Writer, r *localapi.DoctorReport) error {
	z := zip.NewWriter(w)
	for _, s := range r.Sections {
		f, err := z.CreateHeader(&zip.FileHeader{Name: reportFolder + s.Name, Method: zip.Deflate, Modified: r.Time})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(f, s.Text); err != nil {
			return err
		}
	}
	return z.Close()
}

func tarReport(w io.Writer, r *localapi.DoctorReport) error {
	g := gzip.NewWriter(w)
	t := tar.NewWriter(g)
	for _, s := range r.Sections {
		if err := t.WriteHeader(&tar.Header{Name: reportFolder + s.Name, Mode: 0o600, Size: int64(len(s.Text)), ModTime: r.Time}); err != nil {
			return err
		}
		if _, err := io.WriteString(t, s.Text); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), g.Close())
}
