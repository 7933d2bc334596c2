#!/usr/bin/env python3
"""Runs random unit tests of rules with promtool and with tidewatch: compare.py PROMTOOL TIDEWATCH FOLDER.

Each folder in FOLDER is a case of generate.py. Compared are exit codes and, unless the case is broken or its rules do not load, every
line that is printed, hints of ours left out. A valid case is then run again with what promtool got as what is expected, sometimes with
one value or label changed a little. promtool is asked again where it differs: series come to it in the order of a Go map, so that sums and
`query … | first` may vary from run to run; what it does not say alike each time, and never as we do, decides nothing.
"""
import json
import os
import random
import re
import struct
import subprocess
import sys

from generate import Plain, untagged, yaml

QUOTED = r'"(?:[^"\\]|\\.)*"'
SET = r"\{(?:[^\"}]|" + QUOTED + r")*\}"
PAIR = re.compile(rf"([A-Za-z0-9_]+|{QUOTED})=({QUOTED})")
EXPRESSION = re.compile(rf"    expr: ({QUOTED}), time: (\S+),\n        exp: .*\n        got: (.*)")
ALERT = re.compile(r"    alertname: (\S+), time: (\S+), \n        exp:(?s:.*?), \n        got:(\[\]|\[\n(?:            .*\n)*            \])")


def run(command, folder, name):
    done = subprocess.run(command + ["test", "rules", name], cwd=folder, capture_output=True, text=True, timeout=120)
    lines = (done.stdout.rstrip("\n") + "\n" + done.stderr.rstrip("\n")).split("\n")
    lines = [re.sub(r"; hint: .*", "", line) for line in lines if line.strip() and not re.match(" *hint: |tidewatch: [0-9]+ of ", line)]
    return done.returncode, "\n".join(lines)


def unquoted(text):
    """A text with Go's escapes."""
    text = re.sub(r"\\x([0-9a-f]{2})", r"\\u00\1", text[1:-1])
    return json.loads('"' + text.replace("\\a", "\\u0007").replace("\\v", "\\u000b") + '"')


def pairs(text):
    name = lambda found: unquoted(found) if found.startswith('"') else found
    return {name(key): unquoted(value) for key, value in PAIR.findall(text)}


def alerts(text):
    found = zip(re.findall(r"Labels:(.*)", text), re.findall(r"Annotations:(.*)", text))
    result = []
    for labels, annotations in found:
        labels = pairs(labels)
        labels.pop("alertname", None)
        result.append({"exp_labels": labels, "exp_annotations": pairs(annotations)})
    return result


def samples(text):
    if text == "nil":
        return []
    found = re.findall(rf"({SET}) (\S+?)(?:, |$)", text)
    special = {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}
    return [{"labels": labels, "value": Plain(special.get(value, value))} for labels, value in found]


def neighbour(value, steps):
    bits = struct.unpack("<q", struct.pack("<d", value))[0]
    return struct.unpack("<d", struct.pack("<q", bits + steps))[0]


def changed(test, r):
    """Changes one thing that is expected, if there is any."""
    values = [s for e in test["promql_expr_test"] for s in e["exp_samples"] if not s["value"].lstrip("-").startswith(".")]
    labels = [a[key] for t in test["alert_rule_test"] for a in t["exp_alerts"] for key in a if a[key]]
    if values and (not labels or r.random() < 0.6):
        sample = r.choice(values)
        number = neighbour(float(sample["value"]), r.choice([1, 1, -1, 2, 1 << 30])) if float(sample["value"]) else 5e-324
        sample["value"] = Plain(repr(number))
    elif labels:
        place = r.choice(labels)
        key = r.choice(sorted(place))
        place[key] = r.choice([place[key] + " ", ""])


def with_what_came(case, folder, output, r):
    """A test file that expects what came, or nearly; nothing when it cannot be told."""
    tests = untagged(case["tests"])
    if len(tests["tests"]) != 1 or "rule: " in output or "err: " in output:
        return None
    test = tests["tests"][0]
    shown = {(unquoted(e), time): samples(got) for e, time, got in EXPRESSION.findall(output)}
    firing = {(name, time): alerts(got) for name, time, got in ALERT.findall(output)}
    duration = {"0": "0s", "90s": "1m30s"}
    for one in test["promql_expr_test"]:
        time = str(one["eval_time"])
        one["exp_samples"] = shown.get((one["expr"], duration.get(time, time)), one["exp_samples"])
        one["exp_samples"] = [{**s, "value": Plain(str(s["value"]).replace("_", ""))} for s in one["exp_samples"]]
    for one in test["alert_rule_test"]:
        time = str(one["eval_time"])
        one["exp_alerts"] = firing.get((one["alertname"], duration.get(time, time)), one["exp_alerts"])
    if r.random() < 0.5:
        changed(test, r)
    with open(os.path.join(folder, "again.yml"), "w", encoding="utf-8") as file:
        file.write(yaml(tests).lstrip("\n"))
    return "again.yml"


# How often promtool is asked.
TRIES = 8


class Tally:
    def __init__(self, promtool, tidewatch):
        self.promtool, self.tidewatch = [promtool], [tidewatch]
        self.equal, self.undecided, self.different, self.succeeded = 0, 0, [], 0

    def compare(self, folder, name, codes_only):
        """Compares one file; what promtool said, if it is worth going on."""
        ours_code, ours = run(self.tidewatch, folder, name)
        said = []
        for _ in range(TRIES):
            code, theirs = run(self.promtool, folder, name)
            said.append((code, theirs))
            codes_only = codes_only or re.search(r"^\S*rules\.yml: ", theirs, re.M) is not None
            if code == ours_code and (codes_only or theirs == ours):
                self.equal += 1
                self.succeeded += code == 0
                return None if codes_only else theirs
        if len(set(said)) > 1:
            self.undecided += 1
            return None
        self.different.append(os.path.join(folder, name))
        print(f"-- {folder}/{name}: promtool {code}, tidewatch {ours_code}")
        for a, b in zip(theirs.split("\n") + [""] * 99, ours.split("\n")):
            if a != b:
                print(f"   promtool:  {a}\n   tidewatch: {b}")
                break
        return None


def main():
    promtool, tidewatch, folder = sys.argv[1:4]
    tally = Tally(promtool, os.path.abspath(tidewatch))
    for name in sorted(os.listdir(folder)):
        place = os.path.join(folder, name)
        with open(os.path.join(place, "case.json"), encoding="utf-8") as file:
            case = json.load(file)
        output = tally.compare(place, "test.yml", case["broken"])
        again = output and with_what_came(case, place, output, random.Random(name))
        if again:
            tally.compare(place, again, False)
    print(f"ruletest: {tally.equal} files alike ({tally.succeeded} of them succeed), {len(tally.different)} different, "
          f"{tally.undecided} that promtool itself does not decide")
    sys.exit(1 if tally.different else 0)


main()
