package tun

// OnBlackHole makes f be told when large packets vanish on the way to the gateway while small ones arrive. It is told
// once for each MTU. It runs in Serve's goroutine, so it has to be quick, and may call SetMTU. Before Serve only.
func (t *Tunnel) OnBlackHole(f func()) {}

// Heard tells the tunnel that the gateway answered something else than ESP just now, such as R-U-THERE: that the way is
// open for small packets.
func (t *Tunnel) Heard() {}
