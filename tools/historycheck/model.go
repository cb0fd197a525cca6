package main

import "github.com/anishathalye/porcupine"

// What one state and its lock are at a moment.
type state struct {
	holder  string
	content string
}

// What a server does that does one thing after the other. A request has no output apart from its line.
var model = func() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []interface{} { return []interface{}{state{}} },
		Step: func(from, input, _ interface{}) []interface{} {
			var all []interface{}
			for _, to := range step(from.(state), input.(Line)) {
				all = append(all, to)
			}
			return all
		},
		DescribeOperation: func(input, _ interface{}) string { return input.(Line).String() },
	}
	return model.ToModel()
}()

// The states that a request may lead to with that answer; none: it cannot be answered so.
func step(from state, line Line) []state {
	done, can := effect(from, line)
	switch {
	case line.isUnknown() && can:
		return []state{from, done}
	case line.isUnknown():
		return []state{from}
	case line.Status == 200 && line.Operation == "GET":
		return only(from, line.State == from.content && from.content != "")
	case line.Status == 404:
		return only(from, line.Operation == "GET" && from.content == "")
	case line.Status == 200:
		return only(done, can)
	case line.Holder != "":
		return only(from, line.Status == 409 && line.Holder == from.holder && line.Holder != line.Lock)
	default:
		// Refused for another reason, such as a lock that was broken long ago: nothing was done.
		return only(from, line.Status == 409)
	}
}

func only(to state, can bool) []state {
	if can {
		return []state{to}
	}
	return nil
}

// What a request does, and whether it may.
func effect(from state, line Line) (state, bool) {
	switch line.Operation {
	case "LOCK":
		return state{line.Lock, from.content}, from.holder == "" || from.holder == line.Lock
	case "UNLOCK":
		// What is released already is released once more: a replay.
		if from.holder == line.Lock {
			return state{"", from.content}, true
		}
		return from, true
	case "BREAK":
		if line.Lock == "" || from.holder == line.Lock {
			return state{"", from.content}, true
		}
		return from, true
	case "POST":
		return state{from.holder, line.State}, from.holder == line.Lock
	case "DELETE":
		return state{from.holder, ""}, from.holder == line.Lock
	default:
		return from, true
	}
}
