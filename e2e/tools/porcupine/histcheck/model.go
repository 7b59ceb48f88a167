package main

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"quoin/e2e/tools/porcupine/history"
)

// cell is one key's newest version; a missing key has no cell.
type cell struct {
	value string
	mod   int64
}

// state is the whole store: etcd's revision couples all keys, so a history is checked as one.
// It is never changed in place: the search keeps old states. An unchanged map is shared.
type state struct {
	revision int64
	cells    map[string]cell
}

func (s state) with(key string, c *cell) state {
	next := state{revision: s.revision + 1, cells: make(map[string]cell, len(s.cells)+1)}
	for k, v := range s.cells {
		next.cells[k] = v
	}
	if c == nil {
		delete(next.cells, key)
	} else {
		next.cells[key] = cell{c.value, next.revision}
	}
	return next
}

// model: a put, a delete that hits and a cas that matches raise the revision by one; the rest leave
// it. Every answer carries the revision of the state it saw. An operation of unknown outcome is
// applied wherever the search puts it; its return time is infinite, so "never" is "after the end".
func model(initial int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{revision: initial, cells: map[string]cell{}} },
		Step: func(st, in, _ any) (bool, any) {
			return step(st.(state), in.(history.Record))
		},
		Equal: func(a, b any) bool {
			x, y := a.(state), b.(state)
			if x.revision != y.revision || len(x.cells) != len(y.cells) {
				return false
			}
			for k, v := range x.cells {
				if y.cells[k] != v {
					return false
				}
			}
			return true
		},
		DescribeOperation: func(in, _ any) string { return describe(in.(history.Record)) },
		DescribeState: func(st any) string {
			s := st.(state)
			return fmt.Sprintf("revision %d, %d keys", s.revision, len(s.cells))
		},
	}
}

func step(s state, r history.Record) (bool, state) {
	have, exists := s.cells[r.Key]
	next := s
	holds := true // what the answer says beside its revision
	switch r.Kind {
	case "put":
		next = s.with(r.Key, &cell{value: r.Value})
	case "delete":
		if exists {
			next = s.with(r.Key, nil)
		}
		holds = r.Deleted == next.revision-s.revision
	case "cas":
		matches := have.mod == r.Expect // the zero cell has mod revision 0
		if matches {
			next = s.with(r.Key, &cell{value: r.Value})
		}
		holds = r.Succeeded == matches && (matches || sees(r, have, exists))
	case "get":
		holds = sees(r, have, exists)
	default:
		panic("unknown kind " + r.Kind)
	}
	if r.Outcome == history.Unknown {
		// A resolved operation of unknown outcome has the revision that its event showed.
		return r.Revision == 0 || (r.Revision == next.revision && next.revision > s.revision), next
	}
	return holds && r.Revision == next.revision, next
}

func sees(r history.Record, have cell, exists bool) bool {
	return r.Found == exists && r.GotValue == have.value && r.GotMod == have.mod
}

func describe(r history.Record) string {
	what := r.Kind + " " + r.Key
	if r.Value != "" {
		what += "=" + r.Value
	}
	if r.Kind == "cas" {
		what += fmt.Sprintf(" if mod==%d", r.Expect)
	}
	switch {
	case r.Outcome == history.Unknown:
		return what + " -> ?"
	case r.Kind == "get" || r.Kind == "sget" || (r.Kind == "cas" && !r.Succeeded):
		return fmt.Sprintf("%s -> rev %d: %q mod %d", what, r.Revision, r.GotValue, r.GotMod)
	case r.Kind == "delete":
		return fmt.Sprintf("%s -> rev %d, %d deleted", what, r.Revision, r.Deleted)
	default:
		return fmt.Sprintf("%s -> rev %d", what, r.Revision)
	}
}
