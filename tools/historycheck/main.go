// Command historycheck reads what concurrent clients of tofu-state asked and were answered, and says whether a
// single server that does one thing after the other could have answered the same: whether the history of each state
// and its lock is linearizable (checked by porcupine), and whether two clients ever held one lock at the same time.
//
//	historycheck [-time 60s] [-picture FILE.html] HISTORY.jsonl
//
// A history has one JSON object a line, see Line. It ends with 0 if all is well, 1 if not, and 2 if it cannot tell.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	exitWrong   = 1
	exitUnknown = 2
	// The longest line that is taken, in bytes.
	maxLine = 1 << 20
)

func main() {
	patience := flag.Duration("time", time.Minute, "how long to search before giving up")
	picture := flag.String("picture", "", "where to draw a history that is wrong (HTML)")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(exitUnknown)
	}
	file, err := os.Open(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "historycheck:", err)
		os.Exit(exitUnknown)
	}
	defer file.Close()
	lines, err := read(file)
	if err != nil {
		fmt.Fprintf(os.Stderr, "historycheck: %s: %v\n", flag.Arg(0), err)
		os.Exit(exitUnknown)
	}
	os.Exit(check(lines, *patience, *picture, os.Stdout))
}

// Check a history and tell what came of it.
func check(lines []Line, patience time.Duration, picture string, out io.Writer) int {
	unknown := 0
	for _, line := range lines {
		if line.isUnknown() {
			unknown++
		}
	}
	states := byPath(lines)
	fmt.Fprintf(out, "%d operations on %d states, %d of unknown outcome\n", len(lines), len(states), unknown)
	for _, overlap := range overlaps(lines) {
		fmt.Fprintln(out, "not safe:", overlap)
		return exitWrong
	}
	paths := make([]string, 0, len(states))
	for path := range states {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	deadline := time.Now().Add(patience)
	for _, path := range paths {
		operations := operations(requests(states[path]))
		result, info := porcupine.CheckOperationsVerbose(model, operations, max(time.Until(deadline), time.Millisecond))
		switch result {
		case porcupine.Ok:
			continue
		case porcupine.Unknown:
			fmt.Fprintf(out, "%s: not decided within %s\n", path, patience)
			return exitUnknown
		}
		fmt.Fprintf(out, "%s: not linearizable\n", path)
		for _, partial := range info.PartialLinearizationsOperations() {
			if len(partial) > 0 {
				tell(out, operations, longest(partial))
			}
		}
		if picture != "" {
			if err := porcupine.VisualizePath(model, info, picture); err != nil {
				fmt.Fprintln(out, "no picture:", err)
			}
		}
		return exitWrong
	}
	fmt.Fprintln(out, "linearizable, and no lock was held twice")
	return 0
}

func longest(partial [][]porcupine.Operation) []porcupine.Operation {
	best := partial[0]
	for _, other := range partial {
		if len(other) > len(best) {
			best = other
		}
	}
	return best
}

// Tell how far an explanation goes, and what can follow on none.
func tell(out io.Writer, all, explained []porcupine.Operation) {
	known := map[Line]bool{}
	for _, operation := range explained {
		known[operation.Input.(Line)] = true
	}
	const shown = 5
	fmt.Fprintf(out, "the longest explanation has %d of %d operations and ends with:\n", len(explained), len(all))
	for _, operation := range explained[max(0, len(explained)-shown):] {
		fmt.Fprintln(out, "  ", operation.Input.(Line))
	}
	fmt.Fprintln(out, "none of these can follow:")
	rest := 0
	for _, operation := range all {
		line := operation.Input.(Line)
		if !known[line] && rest < shown {
			fmt.Fprintln(out, "  ", line)
			rest++
		}
	}
}

func read(from io.Reader) ([]Line, error) {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, maxLine)
	var lines []Line
	for scanner.Scan() {
		if len(scanner.Bytes()) == 0 {
			continue
		}
		var line Line
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(lines)+1, err)
		}
		if err := line.valid(); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(lines)+1, err)
		}
		lines = append(lines, line)
	}
	if scanner.Err() == nil && len(lines) == 0 {
		return nil, errors.New("the history is empty")
	}
	return lines, scanner.Err()
}
