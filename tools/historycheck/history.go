package main

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"
)

// Line is one request and what came of it.
type Line struct {
	// Client numbers who asked.
	Client int `json:"client"`
	// Path of the state.
	Path string `json:"path"`
	// Operation is LOCK, UNLOCK, BREAK (a forced unlock), GET, POST or DELETE.
	Operation string `json:"operation"`
	// Lock is the ID that the request names; empty: none.
	Lock string `json:"lock,omitempty"`
	// State is what tells the state that was sent, or that was answered; empty: there was none.
	State string `json:"state,omitempty"`
	// Holder is the lock ID that an answer of 409 told; empty: it told none.
	Holder string `json:"holder,omitempty"`
	// Status is the answer's; 0: none came.
	Status int `json:"status"`
	// Call and Return are nanoseconds on one clock.
	Call   int64 `json:"call"`
	Return int64 `json:"return"`
}

func (line Line) valid() error {
	switch line.Operation {
	case "LOCK", "UNLOCK":
		if line.Lock == "" {
			return fmt.Errorf("%s names no lock", line.Operation)
		}
	case "BREAK", "GET", "POST", "DELETE":
	default:
		return fmt.Errorf("%q is no operation", line.Operation)
	}
	if line.Return < line.Call {
		return fmt.Errorf("%s returns before it is called", line.Operation)
	}
	switch line.Status {
	case 0, 200, 404, 409:
		return nil
	}
	if line.Status >= 500 {
		return nil
	}
	return fmt.Errorf("%s was answered %d, which says nothing of the store", line.Operation, line.Status)
}

// Nobody knows whether it was done, or will be.
func (line Line) isUnknown() bool {
	return line.Operation != "GET" && (line.Status == 0 || line.Status >= 500)
}

// It says nothing at all.
func (line Line) isNothing() bool {
	return line.Operation == "GET" && (line.Status == 0 || line.Status >= 500)
}

func (line Line) String() string {
	answer := fmt.Sprint(line.Status)
	if line.isUnknown() {
		answer = "unknown"
	}
	if line.Holder != "" {
		answer += " held by " + line.Holder
	}
	return fmt.Sprintf("client %d: %s lock %q state %q -> %s", line.Client, line.Operation, line.Lock, line.State, answer)
}

func byPath(lines []Line) map[string][]Line {
	paths := map[string][]Line{}
	for _, line := range lines {
		paths[line.Path] = append(paths[line.Path], line)
	}
	return paths
}

// Lines with a request that was sent again and its copies as one: that the copies do together what one does is what
// the protocol promises. It does not promise it of what could not be told from another's request: a forced unlock
// without an ID; nor of a LOCK whose first copy arrives when its ID has been forgotten, eight releases later.
func requests(lines []Line) []Line {
	var all []Line
	last := map[int]int{}
	for _, line := range lines {
		at, known := last[line.Client]
		// A copy that is refused says nothing of the one before it, which may have been done in time.
		isAnswer := line.Status == 200 || line.isUnknown()
		if known && isAnswer && all[at].isUnknown() && all[at].isCopiedBy(line) {
			all[at].Status, all[at].Holder, all[at].Return = line.Status, line.Holder, line.Return
			continue
		}
		last[line.Client] = len(all)
		all = append(all, line)
	}
	return all
}

func (line Line) isCopiedBy(other Line) bool {
	return line.Operation != "LOCK" && line.Lock != "" && line.Path == other.Path &&
		line.Operation == other.Operation && line.Lock == other.Lock && line.State == other.State
}

// What porcupine looks at: a request of unknown outcome may be done at any later time, or never. One that would have
// left no trace is left out: that it was done can neither explain an answer nor be contradicted by one.
func operations(lines []Line) []porcupine.Operation {
	traces := map[string]bool{}
	for _, line := range lines {
		traces["lock "+line.Holder] = true
		if line.Operation == "GET" {
			traces["state "+line.State] = true
		} else if line.Status == 200 {
			traces["lock "+line.Lock] = true
		}
	}
	var all []porcupine.Operation
	for _, line := range lines {
		isTraceless := line.Operation == "POST" && !traces["state "+line.State] ||
			line.Operation == "LOCK" && !traces["lock "+line.Lock]
		if line.isNothing() || line.isUnknown() && isTraceless {
			continue
		}
		returned := line.Return
		if line.isUnknown() {
			returned = math.MaxInt64
		}
		all = append(all, porcupine.Operation{ClientId: line.Client, Input: line, Call: line.Call, Return: returned})
	}
	return all
}

// Pairs of clients that held one lock at the same time, each from the answer to its LOCK until it, or somebody who
// breaks the lock, has begun to end that.
func overlaps(lines []Line) []string {
	type session struct {
		line Line
		end  int64
	}
	sessions := map[string][]session{}
	for _, lock := range lines {
		if lock.Operation != "LOCK" || lock.Status != 200 {
			continue
		}
		end := int64(math.MaxInt64)
		for _, other := range lines {
			ends := other.Operation == "UNLOCK" && other.Lock == lock.Lock ||
				other.Operation == "BREAK" && (other.Lock == "" || other.Lock == lock.Lock)
			isLate := other.isUnknown() || other.Return >= lock.Call
			if ends && isLate && other.Path == lock.Path && other.Call < end {
				end = other.Call
			}
		}
		sessions[lock.Path] = append(sessions[lock.Path], session{lock, end})
	}
	var found []string
	for path, held := range sessions {
		for at, one := range held {
			for _, two := range held[at+1:] {
				if one.line.Lock != two.line.Lock && one.line.Return < two.end && two.line.Return < one.end {
					found = append(found, fmt.Sprintf("%s: %q and %q held the lock at the same time", path, one.line.Lock, two.line.Lock))
				}
			}
		}
	}
	return found
}
