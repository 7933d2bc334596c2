package main

import (
	"encoding/json"
	"os"
	"sort"
	"strings"
)

// shrunk removes from a scenario whatever it can, part by part, as long as the two programs still differ on it.
func (p players) shrunk(text []byte) ([]byte, error) {
	file, err := os.CreateTemp("", "hpa-shrink-*.json")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	file.Close()
	refused := false
	differs := func(candidate []byte) bool {
		if os.WriteFile(file.Name(), candidate, 0o644) != nil {
			return false
		}
		wanted, err := p.ask(file.Name()).Output()
		different := compare(p.compared(wanted), p.actual(file.Name()))
		// What the reference refuses is no scenario; what tidewatch refuses is another difference than a wrong line.
		return err == nil && different != nil && refused == strings.HasPrefix(different.actual, failed)
	}
	if different := compare(nil, p.actualOf(file.Name(), text)); different != nil {
		refused = strings.HasPrefix(different.actual, failed)
	}
	for tries := 0; tries < 20; tries++ {
		smaller := p.smallerOnce(text, differs)
		if len(smaller) == len(text) {
			break
		}
		text = smaller
	}
	var pretty any
	if err := json.Unmarshal(text, &pretty); err != nil {
		return nil, err
	}
	return json.MarshalIndent(pretty, "", " ")
}

// actualOf are tidewatch's lines for a scenario that is not in a file yet.
func (p players) actualOf(path string, text []byte) []byte {
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return []byte(failed + err.Error())
	}
	return p.actual(path)
}

// smallerOnce tries to remove each part of the scenario once.
func (p players) smallerOnce(text []byte, differs func([]byte) bool) []byte {
	var root any
	if json.Unmarshal(text, &root) != nil {
		return text
	}
	whole := &root
	attempt := func() bool {
		candidate, err := json.Marshal(*whole)
		if err == nil && differs(candidate) {
			text = candidate
			return true
		}
		return false
	}
	reduce(root, func(changed any) { *whole = changed }, attempt)
	return text
}

// reduce removes parts of value, depth first after the value's own parts; set replaces the value where it is.
func reduce(value any, set func(any), attempt func() bool) {
	switch part := value.(type) {
	case []any:
		for size := max(1, len(part)/2); size >= 1; size /= 2 {
			for start := 0; start+size <= len(part); {
				without := append(append([]any{}, part[:start]...), part[start+size:]...)
				set(without)
				if attempt() {
					part = without
				} else {
					set(part)
					start += size
				}
			}
		}
		for i := range part {
			reduce(part[i], func(changed any) { part[i] = changed }, attempt)
		}
	case map[string]any:
		keys := make([]string, 0, len(part))
		for key := range part {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		for _, key := range keys {
			kept := part[key]
			delete(part, key)
			if !attempt() {
				part[key] = kept
				reduce(kept, func(changed any) { part[key] = changed }, attempt)
			}
		}
	}
}
