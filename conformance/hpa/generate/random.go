package main

import (
	"math/rand/v2"
)

// object is a JSON object.
type object = map[string]any

type random struct{ *rand.Rand }

func newRandom(seed, index uint64) random { return random{rand.New(rand.NewPCG(seed, index))} }

// one in a hundred times p.
func (r random) percent(p int) bool { return r.IntN(100) < p }

// between a and b, both included.
func (r random) between(a, b int64) int64 { return a + r.Int64N(b-a+1) }

func pick[T any](r random, from ...T) T { return from[r.IntN(len(from))] }
