package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/client/localapi"
)

var doctorReport = &localapi.DoctorReport{
	Schema: 1, Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Verdict: localapi.VerdictFail,
	Checks: []localapi.Check{
		{ID: "service", Title: "Service", Verdict: localapi.VerdictWarn, Found: "It answers at /run/postern/postern.sock, version 1.0. You may look, but not connect.", Advice: "Have an administrator run this, then log in again: sudo usermod -aG postern alice"},
		{ID: "tun_device", Title: "TUN device", Verdict: localapi.VerdictOK, Found: "/dev/net/tun is there."},
		{ID: "gateway_answers", Profile: "office", Title: "Gateway answers", Verdict: localapi.VerdictFail, Found: "Silence on UDP 500 and 4500.", Advice: "Try from another network, such as a telephone's: some block UDP 500 and 4500."},
		{ID: "path_mtu", Profile: "office", Title: "Packet size on the way", Verdict: localapi.VerdictSkipped, Found: "Not looked at on this system."},
	},
	Sections: []localapi.Section{{Name: "checks.txt", Text: "warn Service"}, {Name: "routes.txt", Text: "0.0.0.0/0 dev eth0\n"}},
}

func TestDoctorTable(t *testing.T) {
	for name, v := range map[string]struct {
		quiet   bool
		colours palette
	}{"doctor.txt": {}, "doctor-quiet.txt": {quiet: true}, "doctor-colours.txt": {colours: true}} {
		var b bytes.Buffer
		showChecks(&b, doctorReport, v.quiet, v.colours)
		golden(t, name, b.String())
	}
	golden(t, "doctor-report.txt", reportText(doctorReport))
}

func TestReportFiles(t *testing.T) {
	dir := t.TempDir()
	read := map[string]func([]byte) (string, error){
		"a.zip":    unzip,
		"a.tar.gz": untar,
		"a.tgz":    untar,
		"a.txt":    func(b []byte) (string, error) { return string(b), nil },
	}
	for name, unpack := range read {
		path := filepath.Join(dir, name)
		if err := errors.Join(checkReport(path), writeReport(path, doctorReport)); err != nil {
			t.Fatal(err)
		}
		if checkReport(path) == nil || writeReport(path, doctorReport) == nil {
			t.Errorf("%s was overwritten", name)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		b, _ := os.ReadFile(path)
		text, err := unpack(b)
		if err != nil || !strings.Contains(text, "routes.txt") || !strings.Contains(text, "0.0.0.0/0 dev eth0") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if err := checkReport("report.rar"); err == nil {
		t.Error("a format that we don't write")
	}
}

func unzip(b []byte) (string, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, f := range z.File {
		text.WriteString(f.Name + "\n")
		r, err := f.Open()
		if err != nil {
			return "", err
		}
		if _, err := io.Copy(&text, r); err != nil {
			return "", err
		}
		r.Close()
	}
	return text.String(), nil
}

func untar(b []byte) (string, error) {
	g, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for t := tar.NewReader(g); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return text.String(), nil
		}
		if err != nil {
			return "", err
		}
		text.WriteString(h.Name + "\n")
		if _, err := io.Copy(&text, t); err != nil {
			return "", err
		}
	}
}
