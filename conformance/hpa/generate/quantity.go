package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
)

var decimalSuffixes = []struct {
	suffix   string
	exponent int
}{{"n", -9}, {"u", -6}, {"m", -3}, {"", 0}, {"k", 3}, {"M", 6}, {"G", 9}, {"T", 12}, {"P", 15}, {"E", 18}}

var binarySuffixes = []struct {
	suffix string
	shift  uint
}{{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}}

// submitted is a quantity as the user of an API writes it: now and then a bare number, of no more digits than JSON readers keep.
func (r random) submitted(nanos *big.Int) any {
	if r.percent(8) && nanos.BitLen() < 50 {
		return json.Number(new(big.Rat).SetFrac(nanos, big.NewInt(1_000_000_000)).FloatString(9))
	}
	if r.percent(2) {
		return pick(r, "0.0000000001", "1.5n", "2500.0001u", "1e-10")
	}
	return r.spell(nanos)
}

// spell writes a number of billionths as a Kubernetes quantity, in any of the spellings that mean exactly this number.
func (r random) spell(nanos *big.Int) string {
	if r.percent(20) {
		exponent := pick(r, -9, -6, -3, -2, -1, 0, 1, 2, 3, 6)
		written := fmt.Sprint(exponent)
		if exponent >= 0 && r.percent(20) {
			written = "+" + written
		}
		return r.decimals(nanos, exponent) + pick(r, "e", "E") + written
	}
	if r.percent(25) {
		if text, ok := r.binary(nanos); ok {
			return text
		}
	}
	suffix := decimalSuffixes[r.IntN(len(decimalSuffixes))]
	if r.percent(60) {
		suffix = pick(r, decimalSuffixes[2], decimalSuffixes[3])
	}
	return r.decimals(nanos, suffix.exponent) + suffix.suffix
}

// decimals writes value × 10^-9 in units of 10^exponent.
func (r random) decimals(value *big.Int, exponent int) string {
	digits := new(big.Int).Abs(value).String()
	places := 9 + exponent
	if places < 0 {
		digits += strings.Repeat("0", -places)
		places = 0
	}
	if len(digits) <= places {
		digits = strings.Repeat("0", places-len(digits)+1) + digits
	}
	whole, fraction := digits[:len(digits)-places], digits[len(digits)-places:]
	if r.percent(90) {
		fraction = strings.TrimRight(fraction, "0")
	}
	if whole == "0" && fraction != "" && r.percent(10) {
		whole = ""
	} else if r.percent(3) {
		whole = "00" + whole
	}
	text := whole
	if fraction != "" || r.percent(2) {
		text += "." + fraction
	}
	switch {
	case value.Sign() < 0:
		return "-" + text
	case r.percent(5):
		return "+" + text
	}
	return text
}

// binary writes nanos with a binary suffix, if three decimals are enough for that.
func (r random) binary(nanos *big.Int) (string, bool) {
	suffix := binarySuffixes[r.IntN(len(binarySuffixes))]
	unit := new(big.Int).Lsh(big.NewInt(1_000_000_000), suffix.shift)
	scaled := new(big.Int).Set(nanos)
	for places := range 4 {
		if whole, rest := new(big.Int).QuoRem(scaled, unit, new(big.Int)); rest.Sign() == 0 && whole.Sign() != 0 {
			return r.decimals(whole, places-9) + suffix.suffix, true
		}
		scaled.Mul(scaled, big.NewInt(10))
	}
	return "", false
}

func nanos(n int64) *big.Int { return big.NewInt(n) }
func millis(n int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(n), big.NewInt(1_000_000))
}
func units(n int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(n), big.NewInt(1_000_000_000))
}

// times is value × numerator / denominator, rounded to whole milli units upwards most of the time, as metrics usually are.
func (r random) times(value *big.Int, numerator, denominator int64) *big.Int {
	product := new(big.Int).Mul(value, big.NewInt(numerator))
	product.Quo(product, big.NewInt(denominator))
	if r.percent(70) {
		product.Quo(product, big.NewInt(1_000_000)).Mul(product, big.NewInt(1_000_000))
	}
	return product
}
