// Package diagnosis finds out what a gateway answers to, and why a connection may
// not work.
//
//	probe.go            Probe: what is asked for, and the limits
//	probe_stages.go     the order in which a gateway is asked
//	probe_socket.go     the UDP socket
//	probe_question.go   a question, and reading its answer
//	probe_wire.go       one question in flight: sending, waiting, limits
//	probe_proposals.go  which proposals are asked for, in which groups
//	probe_ikev2.go      one question in the words of RFC 7296
//	probe_report.go     what was found, and what it may mean
//	probe_profile.go    the lines of a profile that fit the answers
//	doctor.go           Doctor; doctor_machine.go, doctor_profile.go and
//	                    doctor_tunnel.go its checks, pure but for what they ask
//	facts.go            what the machine shows of itself; facts_*.go and
//	                    resolver_linux.go read it
//	bundle.go           what a person gives to others, without secrets
//	mask.go             and without names
package diagnosis
