// Package history is the file the load writes and the checker reads: one JSON object per line.
package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Outcome says what the client knows about its operation.
const (
	OK      = "ok"      // answered; the answer's fields are filled
	Failed  = "failed"  // certainly not executed
	Unknown = "unknown" // may or may not have been executed, now or later
)

// Record is one line: an operation ("put", "get", "sget" = serializable get, "delete", "cas"), or
// an "event" that a watch from revision 1 delivered after the run.
type Record struct {
	Kind     string `json:"kind"`
	Client   int    `json:"client"`
	Endpoint string `json:"endpoint,omitempty"`
	Key      string `json:"key"`
	// Value written by put and cas; unique in a history. For an event: the value it carries.
	Value string `json:"value,omitempty"`
	// Expect is the mod revision a cas compares with (0: the key must not exist).
	Expect int64 `json:"expect,omitempty"`
	// Call and Return are nanoseconds on the load generator's monotonic clock.
	Call    int64  `json:"call"`
	Return  int64  `json:"return"`
	Outcome string `json:"outcome,omitempty"`
	Error   string `json:"error,omitempty"`

	// The answer. Revision is the header's; for an event its mod revision.
	Revision  int64  `json:"revision,omitempty"`
	Found     bool   `json:"found,omitempty"`     // get: the key exists
	GotValue  string `json:"gotValue,omitempty"`  // get, failed cas: the value read
	GotMod    int64  `json:"gotMod,omitempty"`    // get, failed cas: its mod revision
	Succeeded bool   `json:"succeeded,omitempty"` // cas
	Deleted   int64  `json:"deleted,omitempty"`   // delete: keys removed; event: 1 for a delete
}

// Read parses a whole history.
func Read(path string) ([]Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var records []Record
	dec := json.NewDecoder(bufio.NewReaderSize(f, 1<<20))
	for {
		var r Record
		if err := dec.Decode(&r); err == io.EOF {
			return records, nil
		} else if err != nil {
			return nil, fmt.Errorf("record %d of %s: %w", len(records)+1, path, err)
		}
		records = append(records, r)
	}
}
