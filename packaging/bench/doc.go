//go:build linux

// Bench measures tunnels between two network namespaces of one machine: postern's data plane with each suite, the whole
// product, wireguard-go, vpnc, strongSwan's ESP in user space, and the bare wire. `make bench` runs it; it needs root.
//
//	client 192.0.2.1 (namespace) ---- veth, MTU 1500 ---- 192.0.2.2 gateway (namespace)
//	   tunnel device, MTU 1400  ~~~~~~~~~~~~~~~~~~~~~~~~  tunnel device, MTU 1400
//
// One round runs every candidate once, each in namespaces of its own; the order turns by round. What is compared is the
// ratio of two candidates of one round; the result is the median of the rounds, with the least and the most.
//
//	lab.go, process.go          namespaces, the processes in them, what they cost
//	candidates.go, peers.go     what is measured, and how its two ends are started
//	measure.go, traffic.go      one candidate in one round; the traffic's own generators
//	ratios.go                   medians of ratios, and the goals
//	table.go, picture.go        what is written into docs/bench
//
// Folder tunnel has the program at both ends of a candidate of ours; folder crypto is a module of its own that
// compares ciphers with OpenSSL.
package main
