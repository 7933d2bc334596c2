package main

import (
	"context"
	"errors"
	"sort"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	v1core "k8s.io/client-go/kubernetes/typed/core/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	custom "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	external "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	resourceclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
)

// cluster answers the controller's requests for one scenario: what is in the current tick, and what the controller wrote before.
// Methods of an interface that the controller does not call are left out: calling one would end the program.
type cluster struct {
	namespace string
	hpas      cache.SharedIndexInformer
	pods      cache.SharedIndexInformer
	tick      *tick
	nowMS     int64
	replicas  int32
	// what the current sync wrote
	scaled bool
}

func newCluster(hpa *autoscalingv2.HorizontalPodAutoscaler) (*cluster, error) {
	indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	c := &cluster{
		namespace: hpa.Namespace,
		hpas:      cache.NewSharedIndexInformer(&cache.ListWatch{}, &autoscalingv2.HorizontalPodAutoscaler{}, 0, indexers),
		pods:      cache.NewSharedIndexInformer(&cache.ListWatch{}, &v1.Pod{}, 0, indexers),
	}
	return c, c.hpas.GetIndexer().Add(hpa)
}

func (c *cluster) begin(t *tick) error {
	now, err := milliseconds(t.T)
	if err != nil {
		return err
	}
	c.tick, c.nowMS, c.scaled = t, now, false
	if t.Replicas != nil {
		c.replicas = *t.Replicas
	}
	pods := make([]any, 0, len(t.Pods))
	for i := range t.Pods {
		pods = append(pods, t.Pods[i].object(c.namespace))
	}
	return c.pods.GetIndexer().Replace(pods, "")
}

func (c *cluster) hpa(key string) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	stored, found, err := c.hpas.GetIndexer().GetByKey(key)
	if err != nil || !found {
		return nil, errors.Join(errors.New("the HPA is gone"), err)
	}
	return stored.(*autoscalingv2.HorizontalPodAutoscaler), nil
}

// The informers, which are never started: the indexers behind them are filled by hand.

type hpaInformer struct{ *cluster }

func (i hpaInformer) Informer() cache.SharedIndexInformer { return i.hpas }
func (i hpaInformer) Lister() autoscalinglisters.HorizontalPodAutoscalerLister {
	return autoscalinglisters.NewHorizontalPodAutoscalerLister(i.hpas.GetIndexer())
}

type podInformer struct{ *cluster }

func (i podInformer) Informer() cache.SharedIndexInformer { return i.pods }
func (i podInformer) Lister() corelisters.PodLister {
	return corelisters.NewPodLister(i.pods.GetIndexer())
}

// The HPA's status subresource: the status of what is written, and nothing else of it.

type hpaClient struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	*cluster
}

func (c *cluster) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return hpaClient{cluster: c}
}

func (c hpaClient) UpdateStatus(_ context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	stored, err := c.hpa(hpa.Namespace + "/" + hpa.Name)
	if err != nil {
		return nil, err
	}
	updated := stored.DeepCopy()
	hpa.Status.DeepCopyInto(&updated.Status)
	return updated, c.hpas.GetIndexer().Update(updated)
}

// The scale subresource of the target.

type scaleClient struct {
	scaleclient.ScaleInterface
	*cluster
}

func (c *cluster) Scales(string) scaleclient.ScaleInterface { return scaleClient{cluster: c} }

func (c scaleClient) Get(_ context.Context, _ schema.GroupResource, name string, _ metav1.GetOptions) (*autoscalingv1.Scale, error) {
	if c.tick.ScaleGetError != "" {
		return nil, errors.New(c.tick.ScaleGetError)
	}
	status := c.replicas
	if c.tick.StatusReplicas != nil {
		status = *c.tick.StatusReplicas
	}
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: c.replicas},
		Status:     autoscalingv1.ScaleStatus{Replicas: status, Selector: "app=scenario"},
	}, nil
}

func (c scaleClient) Update(_ context.Context, _ schema.GroupResource, scale *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	if c.tick.ScaleUpdateError != "" {
		return nil, errors.New(c.tick.ScaleUpdateError)
	}
	c.cluster.replicas, c.cluster.scaled = scale.Spec.Replicas, true
	return scale, nil
}

// Events: the controller is given another recorder, so nothing comes here.

type eventClient struct{ v1core.EventInterface }

func (c *cluster) Events(string) v1core.EventInterface { return eventClient{} }

// metrics.k8s.io

type podMetricsClient struct {
	resourceclient.PodMetricsInterface
	*cluster
}

func (c *cluster) PodMetricses(string) resourceclient.PodMetricsInterface {
	return podMetricsClient{cluster: c}
}

func (c podMetricsClient) List(context.Context, metav1.ListOptions) (*metrics.PodMetricsList, error) {
	if c.tick.MetricsError != "" {
		return nil, errors.New(c.tick.MetricsError)
	}
	timestamp, window := floorDiv(c.nowMS, 1000), int64(15)
	if c.tick.MetricsTimestamp != nil {
		timestamp = *c.tick.MetricsTimestamp
	}
	if c.tick.MetricsWindowSeconds != nil {
		window = *c.tick.MetricsWindowSeconds
	}
	list := &metrics.PodMetricsList{}
	for _, p := range c.tick.Pods {
		item := metrics.PodMetrics{
			ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: c.namespace},
			Timestamp:  metav1.NewTime(at(timestamp)),
			Window:     metav1.Duration{Duration: at(window).Sub(epoch)},
		}
		for _, each := range p.Containers {
			if each.Usage != nil {
				item.Containers = append(item.Containers, metrics.ContainerMetrics{Name: each.Name, Usage: each.Usage})
			}
		}
		if len(item.Containers) > 0 {
			list.Items = append(list.Items, item)
		}
	}
	return list, nil
}

// custom.metrics.k8s.io

type customMetrics struct{ *cluster }

func (c customMetrics) RootScopedMetrics() customclient.MetricsInterface       { return c }
func (c customMetrics) NamespacedMetrics(string) customclient.MetricsInterface { return c }

func (c customMetrics) GetForObject(_ schema.GroupKind, _ string, name string, _ labels.Selector) (*custom.MetricValue, error) {
	value, found := c.tick.ObjectMetrics[name]
	if !found {
		return nil, errors.New("the server could not find the metric " + name)
	}
	return &custom.MetricValue{Metric: custom.MetricIdentifier{Name: name}, Value: value}, nil
}

func (c customMetrics) GetForObjects(_ schema.GroupKind, _ labels.Selector, name string, _ labels.Selector) (*custom.MetricValueList, error) {
	list := &custom.MetricValueList{}
	of := c.tick.PodsMetrics[name]
	pods := make([]string, 0, len(of))
	for each := range of {
		pods = append(pods, each)
	}
	sort.Strings(pods)
	for _, each := range pods {
		list.Items = append(list.Items, custom.MetricValue{
			DescribedObject: v1.ObjectReference{Kind: "Pod", Namespace: c.namespace, Name: each},
			Metric:          custom.MetricIdentifier{Name: name},
			Value:           of[each],
		})
	}
	return list, nil
}

// external.metrics.k8s.io

type externalMetrics struct{ *cluster }

func (c externalMetrics) NamespacedMetrics(string) externalclient.MetricsInterface { return c }

func (c externalMetrics) List(name string, _ labels.Selector) (*external.ExternalMetricValueList, error) {
	list := &external.ExternalMetricValueList{}
	for _, value := range c.tick.ExternalMetrics[name] {
		list.Items = append(list.Items, external.ExternalMetricValue{MetricName: name, Value: value})
	}
	return list, nil
}

func floorDiv(a, b int64) int64 {
	quotient := a / b
	if a%b < 0 {
		quotient--
	}
	return quotient
}
