package main

import (
	"math"
	"math/big"
)

// metric is what the ticks have to know of a metric of the HPA to feed it with values near its target.
type metric struct {
	kind, name, container string
	utilization           int64    // 0 when there is no such target
	target                *big.Int // of value or averageValue, billionths
	average               bool     // whether target is averageValue
}

var containerNames = []string{"app", "proxy", "log-shipper"}

// hpa is the autoscaler, its metrics and its limits; with focus one that only follows a queue, by policies that come to bear.
func (r random) hpa(focus bool) (object, []metric, int64, int64) {
	spec := object{"scaleTargetRef": pick(r,
		object{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
		object{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
		object{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"},
		object{"apiVersion": "v1", "kind": "ReplicationController", "name": "old"},
		object{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "canary"})}
	least := int64(1)
	if r.percent(75) {
		least = pick[int64](r, 1, 1, 2, 2, 3, 5, r.between(1, 30))
		spec["minReplicas"] = least
	} else if r.percent(20) {
		spec["minReplicas"] = nil
	}
	most := least + pick[int64](r, 0, 1, r.between(1, 8), r.between(3, 15), r.between(5, 60), r.between(20, 1000))
	if focus {
		most = least + r.between(10, 60)
	} else if r.percent(3) {
		most = math.MaxInt32
	}
	spec["maxReplicas"] = most
	metrics := []metric{}
	if focus {
		made, written := r.metricOf("External", true)
		metrics = append(metrics, made)
		spec["metrics"] = []object{written}
	} else if r.percent(92) {
		list := []object{}
		for range pick(r, 1, 1, 1, 1, 2, 2, 3, 4) {
			made, written := r.metric()
			metrics, list = append(metrics, made), append(list, written)
		}
		spec["metrics"] = list
	} else {
		if r.percent(50) {
			spec["metrics"] = pick[any](r, []object{}, nil)
		}
		metrics = append(metrics, metric{kind: "Resource", name: "cpu", utilization: 80})
	}
	if focus || r.percent(65) {
		spec["behavior"] = r.behavior(focus)
	} else if r.percent(5) {
		spec["behavior"] = nil
	}
	if r.percent(3) {
		spec["selectPolicy"] = "of no meaning here"
	}
	metadata := object{"name": "web", "namespace": "shop"}
	if r.percent(10) {
		metadata = object{"name": "web", "labels": object{"app": "web"}, "creationTimestamp": nil}
	}
	return object{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec,
	}, metrics, least, most
}

func (r random) targetValue() *big.Int {
	switch r.IntN(20) {
	case 0:
		return nanos(r.between(1, 2_000_000))
	case 1:
		return units(r.between(1, math.MaxInt32) * r.between(1, 1_000_000_000/8))
	case 2, 3:
		return units(r.between(1, 64) << 20)
	case 4:
		return nanos(r.between(1, 5_000_000_000))
	case 5, 6, 7, 8, 9:
		return millis(r.between(1, 5000))
	default:
		return units(pick[int64](r, 1, 2, 5, 10, 30, 50, 100, 1000, r.between(1, 500)))
	}
}

func (r random) utilization() int64 {
	return pick[int64](r, 50, 50, 70, 80, 60, 100, 90, 30, 1, 150, 200, r.between(1, 300), r.between(1, 300), 100_000)
}

func (r random) metric() (metric, object) {
	kind := pick(r, "Resource", "Resource", "Resource", "ContainerResource", "Pods", "Object", "External", "External")
	return r.metricOf(kind, r.percent(60))
}

// metricOf is a metric and how the HPA has it; average is which target Object and External have.
func (r random) metricOf(kind string, average bool) (metric, object) {
	made := metric{kind: kind}
	target := object{}
	right := "AverageValue"
	identifier := object{}
	switch made.kind {
	case "Resource", "ContainerResource":
		made.name = pick(r, "cpu", "cpu", "cpu", "memory", "memory", "ephemeral-storage", "hugepages-2Mi")
		if made.kind == "ContainerResource" {
			made.container = pick(r, "app", "app", "app", "proxy", "log-shipper", "absent")
		}
		if r.percent(65) {
			made.utilization = r.utilization()
			target["averageUtilization"], right = made.utilization, "Utilization"
		} else {
			made.average = true
		}
		if r.percent(5) {
			target["value"] = r.submitted(r.targetValue())
		}
	case "Pods":
		made.name = pick(r, "requests_per_second", "queue", "a")
		made.average = true
		if r.percent(10) {
			target["value"] = r.submitted(r.targetValue())
		}
	case "Object":
		made.name = pick(r, "hits", "queue", "a")
		made.average = average
	case "External":
		made.name = pick(r, "lag", "queue", "a")
		made.average = average
	}
	if made.utilization == 0 {
		made.target = r.targetValue()
		if made.average {
			target["averageValue"] = r.submitted(made.target)
		} else {
			target["value"], right = r.submitted(made.target), "Value"
		}
		if made.kind == "Object" && r.percent(20) {
			target[pick(r, "value", "averageValue")] = r.submitted(made.target)
		}
		if (made.kind == "Pods" || made.kind == "Object" || made.kind == "External") && r.percent(6) {
			target["averageUtilization"] = r.utilization()
		}
	}
	target["type"] = right
	if r.percent(12) {
		target["type"] = pick(r, "Utilization", "Value", "AverageValue")
	}
	identifier["name"] = made.name
	if r.percent(20) {
		identifier["selector"] = object{"matchLabels": object{"topic": "orders"}}
	}
	source := object{"target": target}
	field := ""
	switch made.kind {
	case "Resource":
		source["name"], field = made.name, "resource"
	case "ContainerResource":
		source["name"], source["container"], field = made.name, made.container, "containerResource"
	case "Pods":
		source["metric"], field = identifier, "pods"
	case "Object":
		source["metric"], field = identifier, "object"
		source["describedObject"] = pick(r,
			object{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main"},
			object{"apiVersion": "v1", "kind": "Service", "name": "web"},
			object{"apiVersion": "v1", "kind": "Namespace", "name": "other"})
	case "External":
		source["metric"], field = identifier, "external"
	}
	return made, object{"type": made.kind, field: source}
}

func (r random) behavior(focus bool) object {
	made := object{}
	for _, direction := range []string{"scaleUp", "scaleDown"} {
		if focus {
			made[direction] = r.narrowRules()
		} else if r.percent(70) {
			made[direction] = r.scalingRules()
		} else if r.percent(5) {
			made[direction] = nil
		}
	}
	return made
}

func (r random) scalingRules() object {
	rules := object{}
	if r.percent(65) {
		rules["stabilizationWindowSeconds"] = pick(r, 0, 0, 0, 0, 1, 15, 15, 30, 45, 60, 60, 120, 300, 600, 3600, r.between(0, 3600))
	}
	if r.percent(55) {
		rules["selectPolicy"] = pick(r, "Max", "Max", "Min", "Min", "Disabled")
	}
	if r.percent(70) {
		policies := []object{}
		for range pick(r, 1, 1, 2, 2, 3, 4) {
			policy := object{"type": "Pods", "value": pick(r, 1, 1, 2, 3, 4, 5, 10, r.between(1, 50), math.MaxInt32)}
			if r.percent(50) {
				policy = object{"type": "Percent", "value": pick(r, 1, 5, 10, 10, 25, 50, 50, 100, 100, 150, 200, 900, r.between(1, 300), 1_000_000, math.MaxInt32)}
			}
			policy["periodSeconds"] = pick(r, 1, 15, 15, 15, 30, 30, 60, 60, 120, 300, 1800, r.between(1, 1800))
			policies = append(policies, policy)
		}
		rules["policies"] = policies
	}
	if r.percent(35) {
		rules["tolerance"] = r.submitted(pick(r, millis(0), millis(50), millis(10), millis(100), millis(200), millis(1000), millis(1500),
			millis(10*r.between(0, 200)), millis(r.between(0, 2000)), nanos(r.between(0, 1_000_000_000)), units(100)))
	}
	for _, field := range []string{"selectPolicy", "policies", "stabilizationWindowSeconds", "tolerance"} {
		if _, has := rules[field]; !has && r.percent(3) {
			rules[field] = nil
		}
	}
	return rules
}

// narrowRules allow little at a time, without waiting long.
func (r random) narrowRules() object {
	rules := object{"stabilizationWindowSeconds": pick(r, 0, 0, 0, 15, 30, 60, r.between(0, 120))}
	if r.percent(60) {
		rules["selectPolicy"] = pick(r, "Max", "Min")
	}
	policies := []object{}
	for range pick(r, 1, 2, 2, 3) {
		policy := object{"type": "Pods", "value": r.between(1, 6)}
		if r.percent(50) {
			policy = object{"type": "Percent", "value": pick(r, 10, 20, 25, 50, 100, r.between(1, 100))}
		}
		policy["periodSeconds"] = pick(r, 15, 30, 30, 60, 60, 120, r.between(1, 200))
		policies = append(policies, policy)
	}
	rules["policies"] = policies
	return rules
}
