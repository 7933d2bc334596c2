// Writes scenarios for `tidewatch autoscale replay` and its reference: valid for the API server, and otherwise as odd as a cluster can
// be. The same seed and index always give the same scenario.
//
//	generate -seed 1 -from 0 -count 2000 -out FOLDER     FOLDER/<seed>-<index>.json
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	seed := flag.Uint64("seed", 1, "seed of the random numbers")
	from := flag.Uint64("from", 0, "index of the first scenario")
	count := flag.Uint64("count", 2000, "number of scenarios")
	out := flag.String("out", ".", "folder to write to")
	flag.Parse()
	for index := *from; index < *from+*count; index++ {
		text, err := json.Marshal(newScenario(*seed, index))
		if err == nil {
			err = os.WriteFile(filepath.Join(*out, fmt.Sprintf("%d-%06d.json", *seed, index)), text, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
