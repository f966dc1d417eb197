package hostnet

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

// A list that something changed in is asked for again, and another error isn't.
func TestWhole(t *testing.T) {
	torn := fmt.Errorf("links: %w", netlink.ErrDumpInterrupted)
	for _, tt := range []struct {
		name  string
		fails int // so many times
		err   error
		asked int
		want  error
	}{
		{"quiet", 0, nil, 1, nil},
		{"torn twice", 2, torn, 3, nil},
		{"always torn", dumpTries, torn, dumpTries, netlink.ErrDumpInterrupted},
		{"refused", 1, fs.ErrPermission, 1, fs.ErrPermission},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			got, err := whole(func() ([]int, error) {
				if asked++; asked <= tt.fails {
					return []int{1}, tt.err
				}
				return []int{1, 2}, nil
			})
			if asked != tt.asked || !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || err == nil && !slices.Equal(got, []int{1, 2}) {
				t.Errorf("asked %d times: %v, %v", asked, got, err)
			}
		})
	}
}
