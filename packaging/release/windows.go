package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// mingw builds the window for Windows.
const mingw = "x86_64-w64-mingw32-gcc"

// buildWindowsGUI builds the window for Windows, where there is a compiler for it.
func (r *release) buildWindowsGUI(work string) error {
	if _, err := exec.LookPath(mingw); err != nil {
		fmt.Println("left out: the window for Windows; it needs a compiler: apt-get install gcc-mingw-w64-x86-64")
		return nil
	}
	return r.compile(work, target{"windows", "amd64"}, guiProgram, "CGO_ENABLED=1", "CC="+mingw)
}

// authenticode signs the programs for Windows, when a key is given.
func (r *release) authenticode(work string) error {
	if r.only != "" {
		return nil
	}
	if r.codeKey == "" || r.codeCertificate == "" {
		fmt.Println("left out: Authenticode signatures; AUTHENTICODE_KEY and AUTHENTICODE_CERT name no key and certificate")
		return nil
	}
	programs, err := filepath.Glob(filepath.Join(work, "bin", "windows-*", "*.exe"))
	if err != nil {
		return err
	}
	for _, path := range programs {
		if err := r.signCode(path); err != nil {
			return err
		}
	}
	return nil
}

// signCode puts a signature into a program or an installer. Its time of signing is the commit's, or that of a server
// ($AUTHENTICODE_TIMESTAMP), which keeps it good when the certificate has ended.
func (r *release) signCode(path string) error {
	words := []string{
		"osslsigncode", "sign", "-certs", r.codeCertificate, "-key", r.codeKey, "-h", "sha256", "-n", "postern",
		"-time", strconv.FormatInt(r.epoch, 10),
	}
	if server := os.Getenv("AUTHENTICODE_TIMESTAMP"); server != "" {
		words = append(words, "-ts", server)
	}
	signed := path + ".signed"
	if _, err := run(".", append(words, "-in", path, "-out", signed)...); err != nil {
		return fmt.Errorf("signing %s: %w", filepath.Base(path), err)
	}
	return os.Rename(signed, path)
}

// wintun are the SHA-256 sums of the DLLs in wintun-0.14.1.zip, whose own is
// 07c256185d6ee3652e09fa55c0b673e2624b565e02c4b9091c79ca7d2f24ef51 (https://www.wintun.net). They are signed by WireGuard
// LLC and may be passed on unchanged with a program that uses their interface (their prebuilt-binaries-license.txt).
var wintun = map[string]string{
	"amd64": "e5da8447dc2c320edc0fc52fa01885c103de8c118481f683643cacc3220dafce",
	"arm64": "f7ba89005544be9d85231a9e0d5f23b2d15b3311667e2dad0debd344918a3f80",
}

// checkWintun says whether a file is the driver's DLL for an architecture.
func checkWintun(path, arch string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("WINTUN_DLL: %w", err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != wintun[arch] {
		return fmt.Errorf("WINTUN_DLL: %s has the SHA-256 %s; that of Wintun 0.14.1 for %s is %s", path, sum, arch, wintun[arch])
	}
	return nil
}

// installer makes the MSI, with the service, the driver's DLL and, if it was built, the window.
func (r *release) installer(work string) error {
	if r.only != "" {
		return nil
	}
	dll := os.Getenv("WINTUN_DLL")
	if dll == "" {
		fmt.Println("left out: the installer for Windows; WINTUN_DLL names no wintun.dll (bin/amd64 in https://www.wintun.net/builds/wintun-0.14.1.zip)")
		return nil
	}
	if err := checkWintun(dll, "amd64"); err != nil {
		return err
	}
	return r.msi(work, dll)
}

// msi calls wixl with the recipe packaging/windows/postern.wxs, in the folder work: it takes relative paths only.
func (r *release) msi(work, dll string) error {
	if _, err := exec.LookPath("wixl"); err != nil {
		return errors.New("the installer for Windows needs wixl: apt-get install wixl")
	}
	version, err := msiVersion(r.version)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(dll)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "wintun.dll"), data, 0o644); err != nil {
		return err
	}
	recipe, err := filepath.Abs(filepath.Join(packagesDir, "windows", "postern.wxs"))
	if err != nil {
		return err
	}
	name := filepath.Join(r.out, "postern-"+r.version+"-windows-amd64.msi")
	words := []string{"wixl", "--arch", "x64", "-D", "Version=" + version, "-o", name}
	if has(filepath.Join(work, "bin", "windows-amd64", guiProgram+".exe")) {
		words = append(words, "-D", "Window=yes")
	}
	if _, err := run(work, append(words, recipe)...); err != nil {
		return err
	}
	if r.codeKey == "" || r.codeCertificate == "" {
		return nil
	}
	return r.signCode(name)
}

// msiVersion is a version as Windows Installer compares them: three numbers, of which the first two are below 256 and the
// third below 65536 (ProductVersion). What follows them doesn't count there; a version of a project without any release,
// 0.0.0.N, is 0.0.N.
func msiVersion(version string) (string, error) {
	parts := strings.Split(version, ".")
	if strings.HasPrefix(version, "0.0.0.") {
		parts = parts[1:]
	}
	for len(parts) < 3 {
		parts = append(parts, "0")
	}
	for i, least := range []uint64{256, 256, 65536} {
		if n, err := strconv.ParseUint(parts[i], 10, 32); err != nil || n >= least {
			return "", fmt.Errorf("version %s: no version of Windows Installer's, %s isn't below %d", version, parts[i], least)
		}
	}
	return strings.Join(parts[:3], "."), nil
}
