package main

import (
	"os"

	"postern/client"
)

var (
	endSignals   = []os.Signal{os.Interrupt}
	otherSignals []os.Signal
)

func userSignal(*client.Client, os.Signal) {}
