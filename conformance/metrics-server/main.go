// Plays random counters of containers into metrics-server's own store and prints what it makes of them, a JSON line a
// sequence: crates/metrics/tests/it/metrics_server.rs expects the same of tidewatch's store.
//
//	GOFLAGS=-mod=mod go run . > ../../crates/metrics/tests/data/metrics_server.jsonl
package main

import (
	"encoding/json"
	"math/rand"
	"os"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/metrics-server/pkg/storage"
)

const (
	sequences  = 80
	batches    = 8
	resolution = 15 * time.Second
)

// Times in milliseconds, CPU in thousandths of a second, memory in bytes.
type counter struct {
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Start     int64  `json:"start"`
	Cpu       int64  `json:"cpu"`
	Memory    int64  `json:"memory"`
}

// CPU in billionths of a core. The store takes the window of any container: all that it may give are listed.
type metrics struct {
	Pod        string              `json:"pod"`
	Time       int64               `json:"time"`
	Windows    []int64             `json:"windows"`
	Containers map[string][2]int64 `json:"containers"`
}

type batch struct {
	Time     int64     `json:"time"`
	Counters []counter `json:"counters"`
	Metrics  []metrics `json:"metrics"`
}

func main() {
	random := rand.New(rand.NewSource(1))
	out := json.NewEncoder(os.Stdout)
	for range sequences {
		if err := out.Encode(sequence(random)); err != nil {
			panic(err)
		}
	}
}

func sequence(random *rand.Rand) []batch {
	store := storage.NewStorage(resolution)
	running := map[string]*counter{}
	now := int64(1_000_000 + random.Intn(20_000))
	var list []batch
	for range batches {
		now += step(random)
		one := batch{Time: now, Counters: []counter{}, Metrics: []metrics{}}
		taken := storage.MetricsBatch{Pods: map[types.NamespacedName]storage.PodMetricsPoint{}}
		for _, pod := range []string{"p0", "p1"} {
			if random.Intn(10) == 0 {
				continue
			}
			points, whole := map[string]storage.MetricsPoint{}, true
			for _, container := range []string{"c0", "c1"} {
				if random.Intn(10) == 0 {
					continue
				}
				read := next(random, running, pod, container, now)
				one.Counters = append(one.Counters, read)
				whole = whole && read.Memory > 0
				points[container] = point(read, now)
			}
			// A pod with a container that is not measured is left out, as metrics-server does when it reads the page.
			if whole && len(points) > 0 {
				taken.Pods[types.NamespacedName{Namespace: "n", Name: pod}] = storage.PodMetricsPoint{Containers: points}
			}
		}
		store.Store(&taken)
		for _, pod := range []string{"p0", "p1"} {
			one.Metrics = append(one.Metrics, answers(func() (*metrics, error) { return ask(store, pod) })...)
		}
		list = append(list, one)
	}
	return list
}

// Time always goes on: a batch that is not newer shows a mistake of the store that is not to be copied.
func step(random *rand.Rand) int64 {
	switch random.Intn(6) {
	case 0:
		return int64(1 + random.Intn(30_000))
	case 1:
		return int64(15_000 + random.Intn(200))
	default:
		return 15_000
	}
}

func next(random *rand.Rand, running map[string]*counter, pod, container string, now int64) counter {
	key := pod + container
	if running[key] == nil || random.Intn(6) == 0 {
		age := int64(random.Intn(20_000))
		if random.Intn(4) == 0 {
			age = []int64{0, 9_999, 10_000, 14_999, 15_000}[random.Intn(5)]
		}
		running[key] = &counter{Pod: pod, Container: container, Start: now - age, Cpu: 1}
	}
	current := running[key]
	current.Cpu += int64(random.Intn(20_000))
	if random.Intn(25) == 0 {
		current.Cpu = current.Cpu/2 + 1
	}
	current.Memory = int64(1 + random.Intn(1_000))
	if random.Intn(20) == 0 {
		current.Memory = 0
	}
	return *current
}

func point(now counter, at int64) storage.MetricsPoint {
	return storage.MetricsPoint{
		StartTime:         time.UnixMilli(now.Start),
		Timestamp:         time.UnixMilli(at),
		CumulativeCPUUsed: uint64(float64(now.Cpu) / 1000 * 1e9),
		MemoryUsage:       uint64(now.Memory),
	}
}

// Asks often enough to see the window of each container.
func answers(ask func() (*metrics, error)) []metrics {
	var first *metrics
	for range 40 {
		found, err := ask()
		if err != nil {
			panic(err)
		}
		if found == nil {
			return nil
		}
		if first == nil {
			first = found
		}
		if !slices.Contains(first.Windows, found.Windows[0]) {
			first.Windows = append(first.Windows, found.Windows[0])
		}
	}
	slices.Sort(first.Windows)
	return []metrics{*first}
}

func ask(store storage.Storage, pod string) (*metrics, error) {
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: pod}}
	found, err := store.GetPodMetrics(object)
	if err != nil || len(found) == 0 || len(found[0].Containers) == 0 {
		return nil, err
	}
	answer := metrics{
		Pod:        pod,
		Time:       found[0].Timestamp.UnixMilli(),
		Windows:    []int64{found[0].Window.Milliseconds()},
		Containers: map[string][2]int64{},
	}
	for _, container := range found[0].Containers {
		cpu, memory := container.Usage["cpu"], container.Usage["memory"]
		answer.Containers[container.Name] = [2]int64{cpu.ScaledValue(-9), memory.Value()}
	}
	return &answer, nil
}
