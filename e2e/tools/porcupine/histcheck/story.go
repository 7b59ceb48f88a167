package main

import (
	"fmt"
	"sort"

	"quoin/e2e/tools/porcupine/history"
)

// story is what the members' watches told after the run: the events of every revision.
type story struct {
	events     []history.Record            // ascending by revision; one write per revision
	byRevision map[int64]history.Record    //
	byValue    map[string]history.Record   // puts, by their unique value
	byKey      map[string][]history.Record // ascending by revision
	violations []string
}

func newStory(records []history.Record, initial int64) *story {
	st := &story{
		byRevision: map[int64]history.Record{},
		byValue:    map[string]history.Record{},
		byKey:      map[string][]history.Record{},
	}
	told := map[string][]history.Record{}
	for _, r := range records {
		if r.Kind == "event" {
			told[r.Endpoint] = append(told[r.Endpoint], r)
		}
	}
	endpoints := make([]string, 0, len(told))
	for e := range told {
		endpoints = append(endpoints, e)
	}
	sort.Strings(endpoints)
	for i, e := range endpoints {
		if i == 0 {
			st.events = told[e]
			continue
		}
		st.compare(endpoints[0], e, told[e])
	}
	expected := initial
	for _, e := range st.events {
		expected++
		if e.Revision != expected {
			st.say("watch: revision %d follows %d", e.Revision, expected-1)
			expected = e.Revision
		}
		if _, again := st.byValue[e.Value]; again && e.Deleted == 0 {
			st.say("value %s of %s was written twice (revision %d)", e.Value, e.Key, e.Revision)
		}
		st.byRevision[e.Revision] = e
		st.byKey[e.Key] = append(st.byKey[e.Key], e)
		if e.Deleted == 0 {
			st.byValue[e.Value] = e
		}
	}
	return st
}

func (st *story) say(format string, args ...any) {
	if len(st.violations) < 20 {
		st.violations = append(st.violations, fmt.Sprintf(format, args...))
	}
}

func (st *story) compare(first, other string, events []history.Record) {
	if len(events) != len(st.events) {
		st.say("watch: %s has %d events, %s has %d", first, len(st.events), other, len(events))
	}
	for i := 0; i < min(len(events), len(st.events)); i++ {
		a, b := st.events[i], events[i]
		if a.Revision != b.Revision || a.Key != b.Key || a.Value != b.Value || a.Deleted != b.Deleted {
			st.say("watch: event %d differs: %s has %s@%d, %s has %s@%d", i, first, a.Key, a.Revision, other, b.Key, b.Revision)
			return
		}
	}
}

// lost reports acknowledged writes that the story does not hold at their revision.
func (st *story) lost(operations []history.Record, violations []string) (int, []string) {
	checked := 0
	for _, r := range operations {
		wrote := r.Kind == "put" || (r.Kind == "cas" && r.Succeeded) || (r.Kind == "delete" && r.Deleted > 0)
		if r.Outcome != history.OK || !wrote || len(st.events) == 0 {
			continue
		}
		checked++
		e, ok := st.byRevision[r.Revision]
		if !ok || e.Key != r.Key || e.Value != r.Value || (e.Deleted > 0) != (r.Kind == "delete") {
			if len(violations) < 20 {
				violations = append(violations, "acknowledged write lost: "+describe(r))
			}
		}
	}
	return checked, violations
}

// staleViews checks serializable reads: old is allowed, invented is not.
func (st *story) staleViews(operations []history.Record, violations []string) []string {
	for _, r := range operations {
		if r.Kind != "sget" || r.Outcome != history.OK || len(st.events) == 0 {
			continue
		}
		events := st.byKey[r.Key]
		i := sort.Search(len(events), func(i int) bool { return events[i].Revision > r.Revision })
		want := cell{}
		if i > 0 && events[i-1].Deleted == 0 {
			want = cell{events[i-1].Value, events[i-1].Revision}
		}
		if !sees(r, want, want.mod != 0) && len(violations) < 20 {
			violations = append(violations, fmt.Sprintf("serializable read %s: revision %d holds %q", describe(r), r.Revision, want.value))
		}
	}
	return violations
}

// resolve gives the operations for the search: certain failures, reads without an answer and
// serializable reads fall out; a write of unknown outcome gets its revision when the story shows
// its unique value, and falls out when it does not.
func (st *story) resolve(operations []history.Record) ([]history.Record, int) {
	claimed := map[int64]bool{}
	for _, r := range operations {
		if r.Kind == "delete" && r.Outcome == history.OK && r.Deleted > 0 {
			claimed[r.Revision] = true
		}
	}
	unclaimed := map[string]int{} // deletes nobody was told of, by key
	for _, e := range st.events {
		if e.Deleted > 0 && !claimed[e.Revision] {
			unclaimed[e.Key]++
		}
	}
	var linear []history.Record
	resolved := 0
	for _, r := range operations {
		switch {
		case r.Outcome == history.Failed || r.Kind == "sget":
			continue
		case r.Outcome == history.OK:
		case r.Kind == "get":
			continue
		case len(st.events) == 0: // no watch was recorded: the search has to try
		case r.Kind == "delete":
			if unclaimed[r.Key] == 0 {
				resolved++
				continue
			}
		default:
			resolved++
			e, ok := st.byValue[r.Value]
			if !ok {
				continue
			}
			r.Revision = e.Revision
		}
		linear = append(linear, r)
	}
	return linear, resolved
}
