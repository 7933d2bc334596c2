package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// plan is what stays the same over a scenario's ticks.
type plan struct {
	random
	metrics     []metric
	least, most int64
	initialize  int64 // cpuInitializationPeriodSeconds
	readiness   int64 // initialReadinessDelaySeconds
	oddPods     bool  // pods in every state, not only running ones
	oddMetrics  bool  // absent, negative and huge values
	errors      bool
	podLevel    bool
	containers  []object
	giant       bool                // as many replicas as a number can be
	requested   map[string]*big.Int // the first request of each resource
	level       int64               // load in percent of the targets, a random walk
	wanted      int64               // replicas that external metrics ask for, a random walk; 0 when they follow level
	stopped     bool                // whether the last tick scaled to zero by hand
}

func newScenario(seed, index uint64) object {
	r := newRandom(seed, index)
	focus := r.percent(20)
	hpa, metrics, least, most := r.hpa(focus)
	p := &plan{
		random: r, metrics: metrics, least: least, most: most, initialize: 300, readiness: 30,
		oddPods: r.percent(50), oddMetrics: !focus && r.percent(35), errors: r.percent(30), podLevel: r.percent(15), level: r.between(20, 250),
		requested: map[string]*big.Int{},
	}
	if focus || r.percent(60) {
		p.wanted = r.between(least, min(most, least+30))
	}
	if most == math.MaxInt32 && r.percent(60) {
		p.giant, p.wanted = true, r.between(1, 3_000_000_000)
	}
	controller := object{}
	if r.percent(30) {
		p.initialize = pick(r, 0, 30, 60, 120, 300, 600, r.between(0, 400))
		controller["cpuInitializationPeriodSeconds"] = p.initialize
	}
	if r.percent(30) {
		p.readiness = pick(r, 0, 10, 30, 60, r.between(0, 100))
		controller["initialReadinessDelaySeconds"] = p.readiness
	}
	if r.percent(30) {
		controller["downscaleStabilizationSeconds"] = pick[any](r, 0, 1, 15, 60, 120, 300, 600, r.between(0, 900), 90.5)
	}
	if r.percent(30) {
		controller["tolerance"] = pick(r, 0, 0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, float64(r.between(0, 100))/100)
	}
	gates := object{}
	if r.percent(40) {
		gates["HPAConfigurableTolerance"] = r.percent(85)
	}
	if r.percent(10) {
		gates["PodLevelResources"] = r.percent(30)
	}
	if len(gates) > 0 || r.percent(5) {
		controller["featureGates"] = gates
	}
	scenario := object{"hpa": hpa, "ticks": p.ticks()}
	if len(controller) > 0 || r.percent(50) {
		controller["syncPeriodSeconds"] = 15
		scenario["controller"] = controller
	}
	return scenario
}

func (p *plan) ticks() []object {
	p.containers = p.containerSpecs()
	count := pick(p.random, 1, 3, p.between(1, 10), p.between(5, 25), p.between(20, 60))
	if !p.podsNeeded() {
		count *= pick[int64](p.random, 1, 3, 6, 12)
	}
	now := pick[int64](p.random, 0, 0, 0, 1, p.between(0, 999), p.between(0, 100_000_000))
	rhythm := p.IntN(5)
	pods := pick(p.random, p.least, p.between(p.least, min(p.most, p.least+10)), p.between(0, 12))
	ticks := []object{}
	for i := range count {
		tick := object{"t": json.Number(strconv.FormatFloat(float64(now)/1000, 'f', -1, 64))}
		p.replicas(tick, i == 0, pods)
		pods = p.walkPods(pods)
		p.fill(tick, now, pods)
		if p.percent(2) {
			tick["of no meaning"] = object{"here": nil}
		}
		ticks = append(ticks, tick)
		now += p.step(rhythm)
	}
	return ticks
}

// step is the time to the next tick in milliseconds.
func (p *plan) step(rhythm int) int64 {
	switch rhythm {
	case 0, 1:
		return 15_000
	case 2:
		return 15_000 + p.between(-200, 200)
	case 3:
		return pick(p.random, 1, 1000, 15_000, 30_000, 60_000, 299_999, 300_000, 300_001, p.between(1, 100_000), p.between(1, 4_000_000))
	}
	return 1000 * pick[int64](p.random, 15, 15, 15, 30, 60, 5, 1)
}

func (p *plan) replicas(tick object, first bool, pods int64) {
	low := p.between(p.least, min(p.most, p.least+20))
	if p.giant {
		low = pick(p.random, low, p.between(1, math.MaxInt32), math.MaxInt32-p.between(0, 100), 1<<30+p.between(-2, 2))
	}
	switch {
	case first:
		tick["replicas"] = pick[int64](p.random, pods, pods, p.least, low, low, 0, p.between(0, min(p.most+5, 40)))
	case p.stopped && p.percent(60):
		tick["replicas"] = low
	case p.percent(6):
		tick["replicas"] = pick(p.random, 0, pods, pods, p.least, low, low, min(p.most, math.MaxInt32-3)+p.between(1, 3), max(0, p.least-1), 1)
	case p.percent(5):
		tick["replicas"] = nil
	}
	if given, is := tick["replicas"].(int64); is {
		p.stopped = given == 0
	}
	if p.percent(12) {
		tick["statusReplicas"] = pick(p.random, pods, pods+1, max(0, pods-1), 0, p.between(0, 60), low)
	} else if p.percent(3) {
		tick["statusReplicas"] = nil
	}
	if p.errors && p.percent(8) {
		tick["metricsError"] = "the server is currently unable to handle the request"
	}
	if p.errors && p.percent(8) {
		tick["scaleGetError"] = "etcdserver: request timed out"
	}
	if p.errors && p.percent(15) {
		tick["scaleUpdateError"] = "admission webhook denied the request"
	}
}

func (p *plan) walkPods(pods int64) int64 {
	if p.percent(60) {
		return pods
	}
	if p.percent(5) {
		return 0
	}
	return min(40, max(0, pods+p.between(-3, 4)))
}

func (p *plan) podsNeeded() bool {
	for _, each := range p.metrics {
		if each.kind != "External" || !each.average {
			return true
		}
	}
	return false
}

// fill gives the tick pods and metrics around the targets.
func (p *plan) fill(tick object, now, pods int64) {
	if p.percent(50) {
		p.level = max(0, min(2000, p.level+pick(p.random, p.between(-10, 10), p.between(-60, 60), p.between(-300, 300))))
	}
	if p.wanted > 0 && p.percent(60) {
		p.wanted = max(1, p.wanted+pick(p.random, p.between(-2, 2), p.between(-10, 10), p.between(-40, 40)))
		p.wanted = min(p.wanted, p.most+20)
		if p.giant {
			p.wanted = p.between(1, 3_000_000_000)
		}
	}
	level := p.level
	if p.percent(25) {
		level = pick[int64](p.random, 100, 100, 110, 90, 111, 109, 89, 91, 120, 80, 0, 157)
	}
	seconds := now / 1000
	timestamp, window := seconds, int64(15)
	if p.percent(15) {
		timestamp = seconds - pick[int64](p.random, 0, 15, 30, p.between(-5, 60))
		tick["metricsTimestamp"] = timestamp
	}
	if p.percent(15) {
		window = pick[int64](p.random, 0, 1, 10, 15, 30, 60, p.between(0, 120))
		tick["metricsWindowSeconds"] = window
	}
	list := []object{}
	if p.podsNeeded() || p.percent(20) {
		for i := range pods {
			list = append(list, p.pod(fmt.Sprintf("web-%d", i), seconds, timestamp, window, level))
		}
	}
	if len(list) > 0 || p.percent(80) {
		tick["pods"] = list
	}
	ofPods, ofObjects, external := object{}, object{}, object{}
	for _, each := range p.metrics {
		if p.oddMetrics && p.percent(12) {
			continue
		}
		switch each.kind {
		case "Pods":
			values := object{}
			for i := range pods {
				if !p.oddPods || p.percent(85) {
					values[fmt.Sprintf("web-%d", i)] = p.spell(p.value(each.target, level))
				}
			}
			if p.percent(8) {
				values["gone"] = p.spell(p.value(each.target, level))
			}
			ofPods[each.name] = values
		case "Object":
			total := p.value(each.target, level)
			if each.average {
				total.Mul(total, big.NewInt(max(1, pods)))
			}
			ofObjects[each.name] = p.spell(total)
		case "External":
			external[each.name] = p.externalValues(each, level, pods)
		}
	}
	for name, values := range map[string]object{"podsMetrics": ofPods, "objectMetrics": ofObjects, "externalMetrics": external} {
		if len(values) > 0 {
			tick[name] = values
		}
	}
	// A map's order is not the same from run to run: no random number may be drawn in the loop above.
}

func (p *plan) externalValues(of metric, level, pods int64) []string {
	values := []string{}
	if p.oddMetrics && p.percent(10) {
		return values
	}
	series := pick[int64](p.random, 1, 1, 1, 2, 3, 5)
	for range series {
		value := p.value(of.target, level)
		if p.wanted > 0 && of.average && p.percent(95) {
			value = new(big.Int).Mul(of.target, big.NewInt(p.wanted))
		} else if of.average {
			value.Mul(value, big.NewInt(max(1, pods)))
		}
		value.Quo(value, big.NewInt(series))
		values = append(values, p.spell(value))
	}
	return values
}

// value is target × level %, seldom something else altogether.
func (p *plan) value(target *big.Int, level int64) *big.Int {
	if p.oddMetrics && p.percent(8) {
		switch p.IntN(6) {
		case 0:
			return big.NewInt(0)
		case 1:
			return new(big.Int).Neg(p.times(target, level, 100))
		case 2:
			return units(math.MaxInt64 / pick[int64](p.random, 1, 2, 1000, 1001, 1_000_000))
		case 3:
			return new(big.Int).Neg(units(math.MaxInt64 / pick[int64](p.random, 1, 1000, 1_000_000)))
		case 4:
			return new(big.Int).Mul(target, big.NewInt(p.between(1, 4_000_000_000)))
		default:
			return nanos(p.between(-3_000_000, 3_000_000))
		}
	}
	if p.percent(30) {
		level += p.between(-5, 5)
	}
	return p.times(target, max(0, level), 100)
}
