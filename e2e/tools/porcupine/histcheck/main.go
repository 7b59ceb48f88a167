// histcheck judges a history that histload recorded:
//   - every endpoint's watch from revision 1 tells the same story, in order and without a gap;
//   - every acknowledged write stands in that story, at the revision it was told (none is lost);
//   - serializable reads show the state at their header's revision;
//   - all linearizable operations together are linearizable, revisions included (porcupine).
//
// It prints one JSON summary; exit code 0 = all hold, 1 = a violation, 2 = cannot tell.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"

	"quoin/e2e/tools/porcupine/history"
)

type summary struct {
	OK           bool           `json:"ok"`
	Verdict      string         `json:"verdict"`
	Violations   []string       `json:"violations"`
	Operations   map[string]int `json:"operations"`
	Outcomes     map[string]int `json:"outcomes"`
	Resolved     int            `json:"resolved"` // unknown outcomes settled by the watch
	Events       int            `json:"events"`
	Acknowledged int            `json:"acknowledged"` // acknowledged writes that were looked up
	Checked      int            `json:"checked"`      // operations given to porcupine
	Seconds      float64        `json:"seconds"`
}

func main() {
	initial := flag.Int64("revision", 1, "revision of the store before the history began")
	timeout := flag.Duration("timeout", 60*time.Second, "give up the search after this long")
	picture := flag.String("picture", "", "write porcupine's HTML picture here on a violation")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: histcheck [flags] history.jsonl")
		os.Exit(2)
	}
	records, err := history.Read(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	s := check(records, *initial, *timeout, *picture)
	out, _ := json.MarshalIndent(s, "", "  ")
	fmt.Println(string(out))
	switch {
	case s.OK:
	case s.Verdict == string(porcupine.Unknown) && len(s.Violations) == 0:
		os.Exit(2)
	default:
		os.Exit(1)
	}
}

func check(records []history.Record, initial int64, timeout time.Duration, picture string) summary {
	began := time.Now()
	s := summary{Operations: map[string]int{}, Outcomes: map[string]int{}, Violations: []string{}}
	var operations []history.Record
	for _, r := range records {
		if r.Kind != "event" {
			s.Operations[r.Kind]++
			s.Outcomes[r.Outcome]++
			operations = append(operations, r)
		}
	}
	st := newStory(records, initial)
	s.Events = len(st.events)
	s.Violations = append(s.Violations, st.violations...)
	s.Acknowledged, s.Violations = st.lost(operations, s.Violations)
	s.Violations = st.staleViews(operations, s.Violations)
	linear, resolved := st.resolve(operations)
	s.Resolved, s.Checked = resolved, len(linear)

	result, info := porcupine.CheckOperationsVerbose(model(initial), porcupineOperations(linear), timeout)
	s.Verdict = string(result)
	if result == porcupine.Illegal {
		s.Violations = append(s.Violations, firstStuck(linear, info))
		if picture != "" {
			if err := porcupine.VisualizePath(model(initial), info, picture); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
	s.OK = result == porcupine.Ok && len(s.Violations) == 0
	s.Seconds = time.Since(began).Seconds()
	return s
}

func porcupineOperations(records []history.Record) []porcupine.Operation {
	last := int64(0)
	for _, r := range records {
		last = max(last, r.Return, r.Call)
	}
	ops := make([]porcupine.Operation, len(records))
	for i, r := range records {
		end := r.Return
		if r.Outcome == history.Unknown {
			end = last + 1
		}
		ops[i] = porcupine.Operation{ClientId: r.Client, Input: r, Output: r, Call: r.Call, Return: end}
	}
	return ops
}

// firstStuck names the earliest operation that the longest partial order found could not place.
func firstStuck(records []history.Record, info porcupine.LinearizationInfo) string {
	placed := map[int]bool{}
	for _, partition := range info.PartialLinearizations() {
		longest := []int{}
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
		for _, id := range longest {
			placed[id] = true
		}
	}
	stuck := -1
	for i, r := range records {
		if placed[i] || r.Outcome == history.Unknown {
			continue
		}
		if stuck < 0 || r.Return < records[stuck].Return {
			stuck = i
		}
	}
	if stuck < 0 {
		return "not linearizable"
	}
	return fmt.Sprintf("not linearizable: %d of %d operations placed, stuck at %s (client %d)",
		len(placed), len(records), describe(records[stuck]), records[stuck].Client)
}
