package tun

import (
	"net/netip"

	wgtun "golang.zx2c4.com/wireguard/tun"
	"postern/tun/esp"
)

// Device is a TUN device: it reads and writes IP packets in batches.
type Device = wgtun.Device

// Datagram is one ESP packet as it arrived.
type Datagram struct {
	Data []byte
	From Path
}

// Selector is a traffic selector.
type Selector struct {
	Prefix   netip.Prefix
	Protocol uint8  // 0: any
	Port     uint16 // 0: any
}

// Pair is one inbound and one outbound ESP association with their selectors.
type Pair struct {
	In            *esp.Inbound
	Out           *esp.Outbound
	Local, Remote []Selector
	Send          func(packets [][]byte) error
	Seen          func(from Path)
}

// Stats returns a snapshot of the counters.
func (p *Pair) Stats() PairStats { return PairStats{} }

// Tunnel moves packets between a device and the pairs.
type Tunnel struct{ dev Device }

// New returns a Tunnel of a device, with the device's MTU. It owns dev.
func New(dev Device) *Tunnel { return &Tunnel{dev: dev} }

// Add makes p open packets, and seal those that match its selectors.
func (t *Tunnel) Add(p *Pair) error { return nil }

// AddInbound makes p open packets, and seal none before Activate.
func (t *Tunnel) AddInbound(p *Pair) error { return nil }

// Activate makes the pair of this inbound SPI the newest for outbound packets.
func (t *Tunnel) Activate(spi uint32) bool { return false }

// Retire stops sealing with the pair of this inbound SPI; it still opens.
func (t *Tunnel) Retire(spi uint32) bool { return false }

// Remove forgets the pair of this inbound SPI.
func (t *Tunnel) Remove(spi uint32) bool { return false }

// SetMTU sets the largest inner packet, in octets.
func (t *Tunnel) SetMTU(mtu int) {}

// Deliver opens a batch of ESP packets, in place, and writes the device.
func (t *Tunnel) Deliver(batch []Datagram) {}

// Serve reads the device until Close.
func (t *Tunnel) Serve() error { return nil }

// Close closes the device, ends Serve and waits for it.
func (t *Tunnel) Close() error { return nil }

// Stats returns a snapshot of the counters.
func (t *Tunnel) Stats() Stats { return Stats{} }
