package main

import (
	"math/big"
)

// containerSpecs is the pod template: names, which are sidecars, and requests.
func (p *plan) containerSpecs() []object {
	list := []object{}
	for i := range pick(p.random, 1, 1, 1, 2, 2, 3) {
		spec := object{"name": containerNames[i], "requests": p.requests()}
		if i > 0 && p.percent(30) {
			spec["sidecar"] = true
		}
		list = append(list, spec)
	}
	return list
}

func (p *plan) requests() object {
	requests := object{}
	for _, resource := range []string{"cpu", "memory", "ephemeral-storage", "hugepages-2Mi"} {
		if !p.percent(92) {
			continue
		}
		value := units(pick[int64](p.random, 64<<20, 128<<20, 512<<20, 1<<30, 3<<29, 100_000_000, p.between(1, 1<<33)))
		if resource == "cpu" {
			value = millis(pick[int64](p.random, 100, 250, 500, 1000, 50, 1, 2000, p.between(1, 4000)))
		}
		if p.percent(1) {
			value = nanos(0)
		}
		requests[resource] = p.spell(value)
		if _, known := p.requested[resource]; !known {
			p.requested[resource] = value
		}
	}
	return requests
}

// pod is one pod, whose usage is level % of what the first resource metric aims at.
func (p *plan) pod(name string, seconds, timestamp, window, level int64) object {
	start := seconds - p.between(0, 2000)
	transition := start + p.between(1, 60)
	pod := object{"name": name, "phase": "Running", "ready": true}
	if p.oddPods {
		if p.percent(8) {
			pod["phase"] = pick(p.random, "Pending", "Pending", "Pending", "Failed", "Succeeded")
		}
		if p.percent(15) {
			pod["ready"] = false
		} else if p.percent(3) {
			delete(pod, "ready")
		} else if p.percent(3) {
			pod["ready"] = nil
		}
		if p.percent(5) {
			pod["deleted"] = true
		} else if p.percent(5) {
			pod["deleted"] = false
		}
		if p.percent(40) {
			start = seconds - p.initialize - pick[int64](p.random, 0, 0, -1, 1, p.between(-30, 30))
		} else if p.percent(20) {
			start = seconds - p.between(0, 60)
		}
		switch p.IntN(5) {
		case 0:
			transition = timestamp - window + pick[int64](p.random, 0, 0, 1, -1, p.between(-20, 20))
		case 1:
			transition = start + p.readiness + pick[int64](p.random, 0, 0, 1, -1, p.between(-20, 20))
		case 2:
			transition = start + p.between(0, 60)
		}
	}
	pod["startTime"], pod["readyTransitionTime"] = start, transition
	if p.oddPods && p.percent(4) {
		pod["startTime"] = nil
	}
	if p.oddPods && p.percent(3) {
		pod["readyTransitionTime"] = nil
	}
	if phase := pod["phase"]; phase == "Pending" && p.percent(50) {
		delete(pod, "startTime")
		delete(pod, "readyTransitionTime")
	}
	if p.podLevel && p.percent(80) {
		pod["requests"] = p.podRequests()
	}
	pod["containers"] = p.podContainers(level)
	return pod
}

func (p *plan) podRequests() object {
	all := p.requests()
	for _, resource := range []string{"cpu", "memory", "hugepages-2Mi", "ephemeral-storage"} {
		if p.percent(30) {
			delete(all, resource)
		}
	}
	return all
}

func (p *plan) podContainers(level int64) []object {
	list := []object{}
	for _, spec := range p.containers {
		made := object{}
		for key, value := range spec {
			made[key] = value
		}
		if p.oddPods && p.percent(4) {
			made["requests"] = p.requests()
		}
		made["usage"] = p.usage(level)
		if p.oddPods && p.percent(7) {
			made["usage"] = nil
		}
		if p.oddPods && p.percent(2) {
			continue
		}
		list = append(list, made)
	}
	if p.oddPods && p.percent(3) {
		list = append(list, object{"name": "injected", "usage": p.usage(level)})
	}
	return list
}

// usage is near the target of the HPA's metrics for each resource.
func (p *plan) usage(level int64) object {
	usage := object{}
	for _, resource := range []string{"cpu", "memory", "ephemeral-storage", "hugepages-2Mi"} {
		if p.oddPods && p.percent(4) {
			continue
		}
		usage[resource] = p.spell(p.usageOf(resource, level))
	}
	return usage
}

func (p *plan) usageOf(resource string, level int64) *big.Int {
	for _, each := range p.metrics {
		if (each.kind != "Resource" && each.kind != "ContainerResource") || each.name != resource {
			continue
		}
		if each.utilization == 0 {
			return p.value(each.target, level)
		}
		request := p.requestOf(resource)
		if p.oddMetrics && p.percent(3) {
			return p.value(request, level)
		}
		if p.percent(15) {
			level += p.between(-15, 15)
		}
		return p.times(request, max(0, level)*each.utilization, 10_000)
	}
	if p.percent(60) {
		return p.times(p.requestOf(resource), max(0, level), 200)
	}
	return millis(p.between(0, 5000))
}

// requestOf is the first container's request.
func (p *plan) requestOf(resource string) *big.Int {
	if value, known := p.requested[resource]; known {
		return value
	}
	return millis(250)
}
