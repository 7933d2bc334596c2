// Plays scenarios with tidewatch and with the reference and compares every line.
//
//	compare -tidewatch BINARY -reference BINARY [-events] [-keep FOLDER] [-shrink] SCENARIO.json…
//
// With -events not the lines of the contract are compared but the events, with their words.
// Prints "N scenarios, M ticks, D differ" and, for the first few that differ, the first line that does. A scenario that differs is
// kept in FOLDER with the reference's lines beside it (NAME.json, NAME.expected.jsonl, NAME.actual.jsonl); with -shrink it is first made
// as small as it can be while it still differs. Exit status 1 when any differs.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
)

// failed begins the line that stands for a refusal.
const failed = "failed: "

// players are the two programs.
type players struct {
	tidewatch, reference string
	events               bool // compare events and nothing else
}

// difference is the first line of a scenario that is not the same.
type difference struct {
	line             int
	expected, actual string
}

func main() {
	var both players
	flag.StringVar(&both.tidewatch, "tidewatch", "target/debug/tidewatch", "the program to test")
	flag.StringVar(&both.reference, "reference", "target/conformance-hpa/reference", "what build.sh built")
	flag.BoolVar(&both.events, "events", false, "compare the events instead of the lines")
	keep := flag.String("keep", "", "folder for scenarios that differ")
	shrink := flag.Bool("shrink", false, "make scenarios that differ small")
	flag.Parse()
	if _, err := exec.LookPath(both.tidewatch); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	expected, err := both.expected(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	found := both.differences(flag.Args(), expected)
	ticks := 0
	for _, text := range expected {
		ticks += len(lines(text))
	}
	told := 0
	for _, path := range flag.Args() {
		different := found[path]
		if different == nil {
			continue
		}
		if told++; told <= 10 {
			fmt.Printf("%s, line %d:\n  reference: %s\n  tidewatch: %s\n", path, different.line+1, different.expected, different.actual)
		}
		if *keep != "" {
			if err := both.keep(path, *keep, *shrink && told <= 10); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
	fmt.Printf("%d scenarios, %d ticks, %d differ\n", flag.NArg(), ticks, len(found))
	if len(found) > 0 {
		os.Exit(1)
	}
}

// expected are the reference's lines of each scenario. The reference takes as many files at once as a command line can hold.
func (p players) expected(paths []string) (map[string][]byte, error) {
	folder, err := os.MkdirTemp("", "hpa-reference-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	all := map[string][]byte{}
	for len(paths) > 0 {
		some := paths[:min(500, len(paths))]
		paths = paths[len(some):]
		if said, err := p.ask(append([]string{"-out", folder}, some...)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("the reference refuses a scenario: %s", said)
		}
		for _, path := range some {
			written := strings.TrimSuffix(filepath.Base(path), ".json") + ".jsonl"
			text, err := os.ReadFile(filepath.Join(folder, written))
			if err != nil {
				return nil, err
			}
			all[path] = p.compared(text)
		}
	}
	return all, nil
}

// ask is the reference with these arguments.
func (p players) ask(arguments ...string) *exec.Cmd {
	if p.events {
		arguments = append([]string{"-full"}, arguments...)
	}
	return exec.Command(p.reference, arguments...)
}

func (p players) differences(paths []string, expected map[string][]byte) map[string]*difference {
	found := map[string]*difference{}
	var lock sync.Mutex
	var workers sync.WaitGroup
	next := make(chan string)
	for range runtime.NumCPU() {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for path := range next {
				if different := compare(expected[path], p.actual(path)); different != nil {
					lock.Lock()
					found[path] = different
					lock.Unlock()
				}
			}
		}()
	}
	for _, path := range paths {
		next <- path
	}
	close(next)
	workers.Wait()
	return found
}

// actual are tidewatch's lines; when it fails, what it says counts as a line.
func (p players) actual(path string) []byte {
	command := exec.Command(p.tidewatch, "autoscale", "replay", path)
	if p.events {
		command.Args = append(command.Args, "--explain")
	}
	var said bytes.Buffer
	command.Stderr = &said
	text, err := command.Output()
	if err != nil {
		return append(text, fmt.Sprintf("%s%v: %s", failed, err, strings.ReplaceAll(said.String(), "\n", " "))...)
	}
	return p.compared(text)
}

func lines(text []byte) []string {
	trimmed := strings.TrimRight(string(text), "\n")
	if trimmed == "" {
		return nil
	}
	return strings.Split(trimmed, "\n")
}

func compare(expected, actual []byte) *difference {
	wanted, given := lines(expected), lines(actual)
	for i := range max(len(wanted), len(given)) {
		a, b := "(no line)", "(no line)"
		if i < len(wanted) {
			a = wanted[i]
		}
		if i < len(given) {
			b = given[i]
		}
		if !same(a, b) {
			return &difference{i, a, b}
		}
	}
	return nil
}

// same tells whether two lines are the same JSON: the order of keys and the spelling of a number do not count, everything else does.
func same(a, b string) bool {
	left, right := parse(a), parse(b)
	return left != nil && reflect.DeepEqual(left, right)
}

func parse(text string) map[string]any {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var read map[string]any
	if decoder.Decode(&read) != nil {
		return nil
	}
	for key, value := range read {
		if number, is := value.(json.Number); is {
			if exact, ok := new(big.Rat).SetString(number.String()); ok {
				read[key] = exact.RatString()
			}
		}
	}
	return read
}

// keep puts a scenario that differs into the folder, with both programs' lines.
func (p players) keep(path, folder string, shrink bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if shrink {
		if text, err = p.shrunk(text); err != nil {
			return err
		}
	}
	base := filepath.Join(folder, strings.TrimSuffix(filepath.Base(path), ".json"))
	if err := os.WriteFile(base+".json", text, 0o644); err != nil {
		return err
	}
	wanted, err := p.ask(base + ".json").Output()
	if err != nil {
		return err
	}
	wanted = p.compared(wanted)
	if err := os.WriteFile(base+".expected.jsonl", wanted, 0o644); err != nil {
		return err
	}
	return os.WriteFile(base+".actual.jsonl", p.actual(base+".json"), 0o644)
}
