package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

func ends(t *testing.T, history string) int {
	t.Helper()
	lines, err := read(strings.NewReader(history))
	if err != nil {
		t.Fatal(err)
	}
	return check(lines, time.Minute, "", io.Discard)
}

func TestHistories(t *testing.T) {
	lock := func(id string) string {
		return `{"path":"p","operation":"LOCK","lock":"` + id + `","status":200,"call":1,"return":2}` + "\n"
	}
	post := func(rest string) string { return `{"path":"p","operation":"POST",` + rest + "}\n" }
	get := func(rest string) string { return `{"path":"p","operation":"GET",` + rest + "}\n" }
	for name, one := range map[string]struct {
		history string
		want    int
	}{
		"a write that is read": {lock("a") + post(`"lock":"a","state":"x","status":200,"call":3,"return":4`) +
			get(`"state":"x","status":200,"call":5,"return":6`), 0},
		"a write of unknown outcome that was done": {lock("a") + post(`"lock":"a","state":"x","status":0,"call":3,"return":4`) +
			get(`"status":404,"call":5,"return":6`) + get(`"state":"x","status":200,"call":7,"return":8`), 0},
		"one that was not": {lock("a") + post(`"lock":"a","state":"x","status":503,"call":3,"return":4`) +
			get(`"status":404,"call":5,"return":6`), 0},
		"a write that was sent again": {lock("a") + post(`"lock":"a","state":"x","status":0,"call":3,"return":4`) +
			post(`"lock":"a","state":"x","status":200,"call":5,"return":6`) +
			post(`"lock":"a","state":"y","status":200,"call":7,"return":8`) +
			get(`"state":"y","status":200,"call":9,"return":10`), 0},
		"a write whose copy is refused since the lock was broken": {lock("a") +
			post(`"lock":"a","state":"x","status":0,"call":3,"return":4`) +
			`{"path":"p","client":1,"operation":"BREAK","status":200,"call":5,"return":6}` + "\n" +
			post(`"lock":"a","state":"x","status":409,"call":7,"return":8`) +
			get(`"state":"x","status":200,"call":9,"return":10`), 0},
		"the late copy of one": {lock("a") + post(`"lock":"a","state":"x","status":0,"call":3,"return":4`) +
			post(`"lock":"a","state":"x","status":200,"call":5,"return":6`) +
			post(`"lock":"a","state":"y","status":200,"call":7,"return":8`) +
			get(`"state":"x","status":200,"call":9,"return":10`), exitWrong},
		"a lost write": {lock("a") + post(`"lock":"a","state":"x","status":200,"call":3,"return":4`) +
			get(`"status":404,"call":5,"return":6`), exitWrong},
		"a stale read": {lock("a") + post(`"lock":"a","state":"x","status":200,"call":3,"return":4`) +
			post(`"lock":"a","state":"y","status":200,"call":5,"return":6`) +
			get(`"state":"x","status":200,"call":7,"return":8`), exitWrong},
		"a write that was refused and is there": {lock("a") + post(`"lock":"a","state":"x","status":409,"call":3,"return":4`) +
			get(`"state":"x","status":200,"call":5,"return":6`), exitWrong},
		"a write without the lock": {lock("a") + post(`"lock":"b","state":"x","status":200,"call":3,"return":4`), exitWrong},
		"two holders":              {lock("a") + lock("b"), exitWrong},
		"two holders, one after the other": {lock("a") +
			`{"path":"p","operation":"UNLOCK","lock":"a","status":0,"call":3,"return":4}` + "\n" +
			`{"path":"p","operation":"LOCK","lock":"b","status":200,"call":5,"return":6}`, 0},
		"a late write after a break": {lock("a") +
			`{"path":"p","operation":"BREAK","status":200,"call":3,"return":4}` + "\n" +
			post(`"lock":"a","state":"x","status":200,"call":5,"return":6`), exitWrong},
		"a holder that was not": {lock("a") +
			`{"path":"p","operation":"LOCK","lock":"b","holder":"c","status":409,"call":3,"return":4}`, exitWrong},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ends(t, one.history); got != one.want {
				t.Errorf("ends with %d, not %d", got, one.want)
			}
		})
	}
}

func TestWhatIsNoHistory(t *testing.T) {
	for _, text := range []string{"", "{", `{"operation":"PUT"}`, `{"operation":"LOCK"}`,
		`{"operation":"GET","status":401}`, `{"operation":"GET","status":200,"call":2,"return":1}`} {
		if _, err := read(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
