package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	autoscalinginstall "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	sigsjson "sigs.k8s.io/json"
)

// A scenario as the file has it; the fields are those of docs/reference/hpa-scenario.md.
type scenario struct {
	HPA        json.RawMessage `json:"hpa"`
	Controller struct {
		Tolerance                     *float64        `json:"tolerance"`
		CPUInitializationPeriod       *float64        `json:"cpuInitializationPeriodSeconds"`
		InitialReadinessDelay         *float64        `json:"initialReadinessDelaySeconds"`
		DownscaleStabilizationSeconds *float64        `json:"downscaleStabilizationSeconds"`
		FeatureGates                  map[string]bool `json:"featureGates"`
	} `json:"controller"`
	Ticks []tick `json:"ticks"`
}

type tick struct {
	T                    json.Number                             `json:"t"`
	Replicas             *int32                                  `json:"replicas"`
	StatusReplicas       *int32                                  `json:"statusReplicas"`
	Pods                 []pod                                   `json:"pods"`
	MetricsTimestamp     *int64                                  `json:"metricsTimestamp"`
	MetricsWindowSeconds *int64                                  `json:"metricsWindowSeconds"`
	MetricsError         string                                  `json:"metricsError"`
	PodsMetrics          map[string]map[string]resource.Quantity `json:"podsMetrics"`
	ObjectMetrics        map[string]resource.Quantity            `json:"objectMetrics"`
	ExternalMetrics      map[string][]resource.Quantity          `json:"externalMetrics"`
	ScaleGetError        string                                  `json:"scaleGetError"`
	ScaleUpdateError     string                                  `json:"scaleUpdateError"`
}

type pod struct {
	Name                string          `json:"name"`
	Phase               v1.PodPhase     `json:"phase"`
	Ready               *bool           `json:"ready"`
	ReadyTransitionTime *int64          `json:"readyTransitionTime"`
	StartTime           *int64          `json:"startTime"`
	Deleted             bool            `json:"deleted"`
	Requests            v1.ResourceList `json:"requests"`
	Containers          []container     `json:"containers"`
}

type container struct {
	Name     string          `json:"name"`
	Sidecar  bool            `json:"sidecar"`
	Requests v1.ResourceList `json:"requests"`
	Usage    v1.ResourceList `json:"usage"`
}

// Second 0 of every scenario.
var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

func at(seconds int64) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// milliseconds reads a time exactly as it is written.
func milliseconds(t json.Number) (int64, error) {
	exact, ok := new(big.Rat).SetString(t.String())
	if !ok {
		return 0, fmt.Errorf("t %q is not a number", t)
	}
	exact.Mul(exact, big.NewRat(1000, 1))
	if !exact.IsInt() {
		return 0, fmt.Errorf("t %s has more than 3 decimals", t)
	}
	return exact.Num().Int64(), nil
}

func readScenario(path string) (*scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	read := &scenario{}
	if err := sigsjson.UnmarshalCaseSensitivePreserveInts(text, read); err != nil {
		return nil, err
	}
	return read, nil
}

// autoscaler is the HPA as the controller gets it from the API server: defaulted and validated. Quantities stay as they are spelled:
// above 2^63 thousandths the spelling decides how the controller's own arithmetic overflows.
func (s *scenario) autoscaler() (*autoscalingv2.HorizontalPodAutoscaler, error) {
	hpa := &autoscalingv2.HorizontalPodAutoscaler{}
	if err := sigsjson.UnmarshalCaseSensitivePreserveInts(s.HPA, hpa); err != nil {
		return nil, err
	}
	if hpa.Name == "" {
		hpa.Name = "scenario"
	}
	if hpa.Namespace == "" {
		hpa.Namespace = metav1.NamespaceDefault
	}
	hpa.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
	autoscalinginstall.SetObjectDefaults_HorizontalPodAutoscaler(hpa)
	internal := &autoscaling.HorizontalPodAutoscaler{}
	if err := autoscalinginstall.Convert_v2_HorizontalPodAutoscaler_To_autoscaling_HorizontalPodAutoscaler(hpa.DeepCopy(), internal, nil); err != nil {
		return nil, err
	}
	options := validation.HorizontalPodAutoscalerSpecValidationOptions{
		MinReplicasLowerBound:           1,
		ScaleTargetRefValidationOptions: validation.CrossVersionObjectReferenceValidationOptions{AllowEmptyAPIGroup: true},
		ObjectMetricsValidationOptions:  validation.CrossVersionObjectReferenceValidationOptions{AllowEmptyAPIGroup: true},
	}
	if refused := validation.ValidateHorizontalPodAutoscaler(internal, options); len(refused) > 0 {
		return nil, fmt.Errorf("the API server would refuse this HPA: %v", refused.ToAggregate())
	}
	return hpa, nil
}

// object is the pod as the API server would list it.
func (p *pod) object(namespace string) *v1.Pod {
	made := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: namespace, Labels: map[string]string{"app": "scenario"}},
		Status:     v1.PodStatus{Phase: p.Phase},
	}
	if p.Deleted {
		deleted := metav1.NewTime(epoch)
		made.DeletionTimestamp = &deleted
	}
	if p.StartTime != nil {
		start := metav1.NewTime(at(*p.StartTime))
		made.Status.StartTime = &start
	}
	if p.Ready != nil {
		condition := v1.PodCondition{Type: v1.PodReady, Status: v1.ConditionFalse}
		if *p.Ready {
			condition.Status = v1.ConditionTrue
		}
		if p.ReadyTransitionTime != nil {
			condition.LastTransitionTime = metav1.NewTime(at(*p.ReadyTransitionTime))
		}
		made.Status.Conditions = []v1.PodCondition{condition}
	}
	if p.Requests != nil {
		made.Spec.Resources = &v1.ResourceRequirements{Requests: p.Requests}
	}
	always := v1.ContainerRestartPolicyAlways
	for _, each := range p.Containers {
		spec := v1.Container{Name: each.Name, Resources: v1.ResourceRequirements{Requests: each.Requests}}
		if each.Sidecar {
			spec.RestartPolicy = &always
			made.Spec.InitContainers = append(made.Spec.InitContainers, spec)
		} else {
			made.Spec.Containers = append(made.Spec.Containers, spec)
		}
	}
	return made
}

// check refuses what would make the comparison mean something else than the scenario says.
func (s *scenario) check() error {
	last := int64(0)
	for i, each := range s.Ticks {
		now, err := milliseconds(each.T)
		if err != nil {
			return fmt.Errorf("tick %d: %w", i, err)
		}
		if i > 0 && now <= last {
			return fmt.Errorf("tick %d: t %s does not rise", i, each.T)
		}
		last = now
		if i == 0 && each.Replicas == nil {
			return fmt.Errorf("the first tick has no replicas")
		}
		names := map[string]bool{}
		for _, p := range each.Pods {
			if p.Name == "" || names[p.Name] {
				return fmt.Errorf("tick %d: the name %q of a pod is empty or another's", i, p.Name)
			}
			names[p.Name] = true
			if !strings.Contains("Running Pending Failed Succeeded", string(p.Phase)) || p.Phase == "" {
				return fmt.Errorf("tick %d: pod %s has the phase %q", i, p.Name, p.Phase)
			}
		}
	}
	return nil
}
