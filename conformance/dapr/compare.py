#!/usr/bin/env python3
"""What differs between two transcripts, beyond what a list of regular expressions names.

compare.py daprd.json tidewatch.json expected-differences.txt; exit code 1 when something differs.
"""
import json, re, sys


def flat(value, path=""):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}/{key}")
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            name = inner.get("question", index) if isinstance(inner, dict) else index
            yield from flat(inner, f"{path}/{name}")
    else:
        yield path, value


def lines(file):
    transcript = json.load(open(file))
    metrics = transcript.pop("metrics")
    facts = {path: json.dumps(value, ensure_ascii=False) for path, value in flat(transcript)}
    return facts | {f"/metrics/{line}": "there" for line in metrics}


ours, theirs = lines(sys.argv[2]), lines(sys.argv[1])
expected = [re.compile(line.split("  # ")[0].strip()) for line in open(sys.argv[3])
            if line.strip() and not line.startswith("#")]
differ, known, same = 0, 0, 0
for path in sorted(ours.keys() | theirs.keys()):
    left, right = theirs.get(path, "(nothing)"), ours.get(path, "(nothing)")
    if left == right:
        same += 1
    elif any(pattern.search(path) for pattern in expected):
        known += 1
    else:
        differ += 1
        print(f"{path}\n  daprd:     {left}\n  tidewatch: {right}")
print(f"{same} facts are the same, {known} differ as expected, {differ} differ")
sys.exit(differ > 0)
