package xauth

type question struct{}
