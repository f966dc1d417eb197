//go:build linux

package main_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"time"
)

// screens is where pictures of the window are.
const screens = "../../docs/screens"

// picture takes a picture of the window as it settled, and with -update keeps it as
// docs/screens/NAME-LOOK.png. Looks of twice the size are kept of the main scenes only.
func (d *desk) picture(name string, main bool) {
	d.Helper()
	data := d.settled()
	if !*update || d.scale > 1 && !main {
		return
	}
	if err := os.MkdirAll(screens, 0o755); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(screens, name+"-"+d.look.String()+".png"), data, 0o644); err != nil {
		d.Fatal(err)
	}
}

// settled is a picture that is painted, and the same as the one before; what goes on
// changing, such as a clock, is taken as it is after a while.
func (d *desk) settled() []byte {
	d.Helper()
	var last []byte
	d.until("painted window", func() bool {
		for range 4 {
			now, ok := d.shot()
			if !ok {
				return false
			}
			if bytes.Equal(now, last) {
				return true
			}
			last = now
			time.Sleep(300 * time.Millisecond)
		}
		return true
	})
	return last
}

// shot is the window as it is now; ok: there is something in it.
func (d *desk) shot() (data []byte, ok bool) {
	data, err := d.output("import", "-silent", "-window", d.window, "-strip", "-define", "png:compression-level=9", "png:-")
	if err != nil {
		return nil, false
	}
	img, err := png.Decode(bytes.NewReader(data))
	return data, err == nil && painted(img)
}

// painted says whether a picture has more than one flat colour, as a window has that
// was never painted: text has many, for its edges are smooth.
func painted(img image.Image) bool {
	seen := make(map[[3]uint32]bool)
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y += 2 {
		for x := b.Min.X; x < b.Max.X; x += 2 {
			r, g, bl, _ := img.At(x, y).RGBA()
			if seen[[3]uint32{r, g, bl}] = true; len(seen) > 8 {
				return true
			}
		}
	}
	return false
}

// asks waits until the window shows a question of the gateway's.
func (d *desk) asks(name string) {
	d.Helper()
	d.shows(name + ": Waiting for your answer")
	d.dialog()
}

// dialog waits until the window shows a dialog: what is behind it is darker then.
func (d *desk) dialog() {
	d.Helper()
	plain := color.RGBA{0xff, 0xff, 0xff, 0xff}
	if d.theme == "dark" {
		plain = color.RGBA{0x17, 0x17, 0x18, 0xff}
	}
	d.until("dialog", func() bool {
		img, err := png.Decode(bytes.NewReader(d.settled()))
		if err != nil {
			d.Fatal(err)
		}
		b := img.Bounds()
		return color.RGBAModel.Convert(img.At(b.Max.X-2, b.Max.Y-2)) != plain
	})
}

// changes waits until the window shows something else than in a picture before.
func (d *desk) changes(what string, before []byte) {
	d.Helper()
	d.until(what, func() bool { return !bytes.Equal(before, d.settled()) })
}
