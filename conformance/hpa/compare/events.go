package main

import (
	"bytes"
	"encoding/json"
	"regexp"
)

// unsure is what an event says differently from run to run, or of what stands in for a cluster here: the controller names any one of
// the pods that lack a request, as Go orders maps; and the words of a failing custom metrics API are not the controller's.
var unsure = regexp.MustCompile(`(missing )(?:request for|pod-level request for).*? (?:in|of) Pod [^ ,;"]+|(could not find the metric \S+) for \S+ [^ ,;"]+`)

// compared is what of a program's lines counts: all, or only each tick's events.
func (p players) compared(text []byte) []byte {
	if !p.events {
		return text
	}
	var events bytes.Buffer
	for _, each := range lines(text) {
		var line struct {
			T      json.Number `json:"t"`
			Events []any       `json:"events"`
		}
		if json.Unmarshal([]byte(each), &line) != nil {
			events.WriteString(each + "\n")
			continue
		}
		said := []string{}
		for _, event := range line.Events {
			said = append(said, unsure.ReplaceAllString(words(event), "$1$2"))
		}
		written, err := json.Marshal(map[string]any{"t": line.T, "events": said})
		if err == nil {
			events.Write(append(written, '\n'))
		}
	}
	return events.Bytes()
}

// words is an event in the reference's form, "Warning REASON TEXT".
func words(event any) string {
	switch event := event.(type) {
	case string:
		return event
	case map[string]any:
		kind := "Normal "
		if event["warning"] == true {
			kind = "Warning "
		}
		reason, _ := event["reason"].(string)
		message, _ := event["message"].(string)
		return kind + reason + " " + message
	}
	return "no event"
}
