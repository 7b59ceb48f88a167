package main

import (
	"strings"
	"testing"
	"time"

	"quoin/e2e/tools/porcupine/history"
)

func put(client int, key, value string, call, end, revision int64) history.Record {
	return history.Record{Kind: "put", Client: client, Key: key, Value: value, Call: call, Return: end,
		Outcome: history.OK, Revision: revision}
}

func get(client int, key string, call, end, revision int64, value string, mod int64) history.Record {
	return history.Record{Kind: "get", Client: client, Key: key, Call: call, Return: end,
		Outcome: history.OK, Revision: revision, Found: mod != 0, GotValue: value, GotMod: mod}
}

func event(key, value string, revision int64) history.Record {
	return history.Record{Kind: "event", Endpoint: "a", Key: key, Value: value, Revision: revision}
}

func lostAnswer(r history.Record) history.Record {
	r.Outcome, r.Revision = history.Unknown, 0
	return r
}

func deleted(r history.Record) history.Record {
	r.Kind, r.Value, r.Deleted = "delete", "", 1
	return r
}

func TestCheck(t *testing.T) {
	cas := history.Record{Kind: "cas", Client: 1, Key: "x", Value: "3", Expect: 2, Call: 5, Return: 6,
		Outcome: history.OK, Revision: 3, Succeeded: true}
	for name, c := range map[string]struct {
		records []history.Record
		says    string // "" = the history holds
	}{
		"concurrent puts in revision order": {[]history.Record{
			put(1, "x", "1", 0, 9, 3), put(2, "y", "2", 0, 9, 2), get(3, "x", 10, 11, 3, "1", 3),
			event("y", "2", 2), event("x", "1", 3)}, ""},
		"a read of an overwritten value": {[]history.Record{
			put(1, "x", "1", 0, 1, 2), put(1, "x", "2", 2, 3, 3), get(2, "x", 4, 5, 2, "1", 2),
			event("x", "1", 2), event("x", "2", 3)}, "not linearizable"},
		"a put without answer that happened": {[]history.Record{
			lostAnswer(put(1, "x", "1", 0, 1, 0)), get(2, "x", 4, 5, 2, "1", 2), event("x", "1", 2)}, ""},
		"a put without answer that did not": {[]history.Record{
			lostAnswer(put(1, "x", "1", 0, 1, 0)), put(2, "x", "2", 4, 5, 2), event("x", "2", 2)}, ""},
		"an acknowledged put nobody has": {[]history.Record{
			put(1, "x", "1", 0, 1, 2), put(1, "x", "2", 2, 3, 2), event("x", "2", 2)}, "acknowledged write lost"},
		"a cas on the version it expects": {[]history.Record{
			put(2, "x", "1", 0, 1, 2), cas, event("x", "1", 2), event("x", "3", 3)}, ""},
		"a cas that ignores a newer version": {[]history.Record{
			put(2, "x", "1", 0, 1, 2), put(2, "x", "2", 2, 3, 3), func() history.Record { r := cas; r.Revision = 4; return r }(),
			event("x", "1", 2), event("x", "2", 3), event("x", "3", 4)}, "not linearizable"},
		"a delete, then nothing is there": {[]history.Record{
			put(1, "x", "1", 0, 1, 2), deleted(put(1, "x", "", 2, 3, 3)), get(2, "x", 4, 5, 3, "", 0),
			event("x", "1", 2), func() history.Record { e := event("x", "", 3); e.Deleted = 1; return e }()}, ""},
		"a hole in the watch": {[]history.Record{
			put(1, "x", "1", 0, 1, 2), put(1, "x", "2", 2, 3, 4), event("x", "1", 2), event("x", "2", 4)}, "revision 4 follows 2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := check(c.records, 1, 10*time.Second, "")
			if c.says == "" && !s.OK {
				t.Errorf("refused: %v", s.Violations)
			}
			if c.says != "" && (s.OK || !strings.Contains(strings.Join(s.Violations, "\n"), c.says)) {
				t.Errorf("verdict %v, violations %q, want %q", s.OK, s.Violations, c.says)
			}
		})
	}
}
