// The reference of `tidewatch autoscale replay`: the HPA controller of kube-controller-manager 1.34.4 itself, given the ticks of a
// scenario as its cluster and as its clock. build.sh says how it is built.
//
//	reference [-full] SCENARIO.json                  its lines on standard output
//	reference [-full] -out FOLDER SCENARIO.json…     FOLDER/SCENARIO.jsonl for each
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// line is what a tick prints; the fields after `scaled` only with -full.
type line struct {
	T               json.Number       `json:"t"`
	CurrentReplicas int32             `json:"currentReplicas"`
	DesiredReplicas int32             `json:"desiredReplicas"`
	Conditions      map[string]string `json:"conditions"`
	Scaled          bool              `json:"scaled"`

	Messages       map[string]string            `json:"messages,omitempty"`
	LastScaleTime  *int64                       `json:"lastScaleTime,omitempty"`
	CurrentMetrics []autoscalingv2.MetricStatus `json:"currentMetrics,omitempty"`
	Events         []string                     `json:"events,omitempty"`
	Error          string                       `json:"error,omitempty"`
}

func main() {
	full := flag.Bool("full", false, "also print messages, current metrics, events and the sync's error")
	out := flag.String("out", "", "write one file of lines per scenario into this folder")
	flag.Parse()
	// What the controller logs is also in the conditions.
	klog.LogToStderr(false)
	klog.SetOutput(new(bytes.Buffer))
	utilruntime.ErrorHandlers = nil
	if flag.NArg() == 0 || (*out == "" && flag.NArg() > 1) {
		fmt.Fprintln(os.Stderr, "usage: reference [-full] [-out FOLDER] SCENARIO.json…")
		os.Exit(2)
	}
	failed := false
	for _, path := range flag.Args() {
		text, err := replay(path, *full)
		if err == nil && *out != "" {
			name := strings.TrimSuffix(filepath.Base(path), ".json") + ".jsonl"
			err = os.WriteFile(filepath.Join(*out, name), text, 0o644)
		} else if err == nil {
			_, err = os.Stdout.Write(text)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

func seconds(given *float64, otherwise float64) time.Duration {
	if given == nil {
		given = &otherwise
	}
	return time.Duration(*given * float64(time.Second))
}

// setGates sets the process's feature gates, which stay for the next scenario unless that one sets them too.
func (s *scenario) setGates() error {
	gates := map[string]bool{"HPAConfigurableTolerance": false, "PodLevelResources": true}
	for gate, enabled := range s.Controller.FeatureGates {
		if _, known := gates[gate]; known {
			gates[gate] = enabled
		}
	}
	return utilfeature.DefaultMutableFeatureGate.SetFromMap(gates)
}

// mapper knows the scale target whatever its kind: the scenario's target always exists.
func mapper(of autoscalingv2.CrossVersionObjectReference) (apimeta.RESTMapper, error) {
	version, err := schema.ParseGroupVersion(of.APIVersion)
	if err != nil {
		return nil, err
	}
	made := apimeta.NewDefaultRESTMapper([]schema.GroupVersion{version})
	made.Add(version.WithKind(of.Kind), apimeta.RESTScopeNamespace)
	return made, nil
}

func replay(path string, full bool) ([]byte, error) {
	s, err := readScenario(path)
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	hpa, err := s.autoscaler()
	if err != nil {
		return nil, err
	}
	if err := s.setGates(); err != nil {
		return nil, err
	}
	known, err := mapper(hpa.Spec.ScaleTargetRef)
	if err != nil {
		return nil, err
	}
	around, err := newCluster(hpa)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tolerance := 0.1
	if s.Controller.Tolerance != nil {
		tolerance = *s.Controller.Tolerance
	}
	controller := podautoscaler.NewHorizontalController(ctx, around, around, around, known,
		metricsclient.NewRESTMetricsClient(around, customMetrics{around}, externalMetrics{around}),
		hpaInformer{around}, podInformer{around}, 15*time.Second,
		seconds(s.Controller.DownscaleStabilizationSeconds, 300), tolerance,
		seconds(s.Controller.CPUInitializationPeriod, 300), seconds(s.Controller.InitialReadinessDelay, 30))
	defer controller.Close()
	events := record.NewFakeRecorder(1000)
	controller.RecordEvents(events)
	podautoscaler.Now = func() time.Time { return epoch.Add(time.Duration(around.nowMS) * time.Millisecond) }

	var text bytes.Buffer
	key := hpa.Namespace + "/" + hpa.Name
	for i := range s.Ticks {
		if err := around.begin(&s.Ticks[i]); err != nil {
			return nil, err
		}
		failed := controller.Reconcile(ctx, key)
		told, err := around.tell(key)
		if err != nil {
			return nil, err
		}
		said := drain(events)
		if full {
			told.explain(around, key, said, failed)
		}
		printed := json.NewEncoder(&text)
		printed.SetEscapeHTML(false)
		if err := printed.Encode(told); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// tell is the contract's line: the HPA's status after this sync.
func (c *cluster) tell(key string) (*line, error) {
	hpa, err := c.hpa(key)
	if err != nil {
		return nil, err
	}
	told := &line{
		T:               json.Number(strconv.FormatFloat(float64(c.nowMS)/1000, 'f', -1, 64)),
		CurrentReplicas: hpa.Status.CurrentReplicas,
		DesiredReplicas: hpa.Status.DesiredReplicas,
		Conditions:      map[string]string{},
		Scaled:          c.scaled,
	}
	for _, each := range hpa.Status.Conditions {
		told.Conditions[string(each.Type)] = string(each.Status) + "/" + each.Reason
	}
	return told, nil
}

func (l *line) explain(c *cluster, key string, events []string, failed error) {
	hpa, err := c.hpa(key)
	if err != nil {
		return
	}
	l.Messages = map[string]string{}
	for _, each := range hpa.Status.Conditions {
		l.Messages[string(each.Type)] = each.Message
	}
	if hpa.Status.LastScaleTime != nil {
		when := floorDiv(hpa.Status.LastScaleTime.Sub(epoch).Milliseconds(), 1000)
		l.LastScaleTime = &when
	}
	l.CurrentMetrics, l.Events = hpa.Status.CurrentMetrics, events
	if failed != nil {
		l.Error = failed.Error()
	}
}

func drain(events *record.FakeRecorder) []string {
	var said []string
	for {
		select {
		case each := <-events.Events:
			said = append(said, each)
		default:
			return said
		}
	}
}
