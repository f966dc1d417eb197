package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// archives packs each target's programs with what a person needs beside them: a zip for Windows, a tar.gz for others.
func (r *release) archives(work string) error {
	if r.only != "" && r.only != "archives" {
		return nil
	}
	for _, t := range r.targets() {
		name := "postern-" + r.version + "-" + t.String()
		files := []file{
			{from: "README.md"},
			{from: "LICENSE"},
			{from: filepath.Join(work, "stage", noticesName), to: noticesName},
		}
		for _, p := range programs {
			files = append(files, file{from: filepath.Join(work, "bin", t.String(), t.exe(p)), to: t.exe(p), exec: true})
		}
		if window := filepath.Join(work, "bin", t.String(), t.exe(guiProgram)); t.os == "windows" && has(window) {
			files = append(files, file{from: window, to: t.exe(guiProgram), exec: true})
		}
		beside := map[string][]string{
			"linux":   {"packaging/man", "packaging/completions", "packaging/systemd", "packaging/polkit"},
			"darwin":  {"packaging/man", "packaging/completions", "packaging/macos"},
			"windows": {"packaging/windows"},
		}
		for _, folder := range beside[t.os] {
			more, err := tree(folder)
			if err != nil {
				return err
			}
			files = append(files, more...)
		}
		pack, suffix := packTar, ".tar.gz"
		if t.os == "windows" {
			pack, suffix = packZip, ".zip"
		}
		if err := r.pack(pack, name, suffix, files); err != nil {
			return err
		}
	}
	return nil
}

// file is one of an archive: what is copied, and where it lies in the archive, as slashed paths.
type file struct {
	from, to string
	exec     bool
}

// tree lists the files of a folder that git keeps; none if there is no such folder. Tests and Go source aren't for
// users.
func tree(folder string) (files []file, err error) {
	kept, err := tracked(folder)
	if err != nil {
		return nil, err
	}
	for _, path := range kept {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		to, err := filepath.Rel("packaging", path)
		if err != nil {
			return nil, err
		}
		files = append(files, file{path, filepath.ToSlash(to), info.Mode()&0o100 != 0})
	}
	return files, nil
}

// packer writes files into one archive, in the folder name, with one time for all.
type packer func(w io.Writer, name string, files []file, at time.Time) error

func (r *release) pack(pack packer, name, suffix string, files []file) error {
	out, err := os.Create(filepath.Join(r.out, name+suffix))
	if err != nil {
		return err
	}
	if err := pack(out, name, files, time.Unix(r.epoch, 0).UTC()); err != nil {
		out.Close()
		return fmt.Errorf("%s%s: %w", name, suffix, err)
	}
	return out.Close()
}

func (f file) name(folder string) string {
	if f.to == "" {
		return folder + "/" + filepath.Base(f.from)
	}
	return folder + "/" + f.to
}

func (f file) mode() os.FileMode {
	if f.exec {
		return 0o755
	}
	return 0o644
}

func packTar(w io.Writer, name string, files []file, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, f := range files {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: f.name(name), Mode: int64(f.mode()), Size: int64(len(data)), ModTime: at, Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(data); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func packZip(w io.Writer, name string, files []file, at time.Time) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: f.name(name), Method: zip.Deflate, Modified: at}
		h.SetMode(f.mode())
		entry, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := entry.Write(data); err != nil {
			return err
		}
	}
	return z.Close()
}
