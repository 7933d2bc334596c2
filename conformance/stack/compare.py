"""Compares what follow.py has found with each combination of sidecar and broker.

Arguments: the folder, the combinations. Output: the differences; 1 when the traces differ. Metrics that one side alone shows are
listed only: a real daprd and Kafka have parts that tidewatch does not have (conformance/dapr and conformance/kafka compare them).
"""

import json
import pathlib
import sys

folder, combinations = pathlib.Path(sys.argv[1]), sys.argv[2:]
results = {}
for combination in combinations:
    file = folder / combination.replace("/", "-") / "result.json"
    if file.exists():
        results[combination] = json.loads(file.read_text())
names = list(results)
failed = len(names) != len(combinations)
for name in names[1:]:
    first, other = results[names[0]], results[name]
    if first["shape"] != other["shape"]:
        failed = True
        for mark, left, right in (("-", first, other), ("+", other, first)):
            print("\n".join(f"{mark} {line}" for line in left["shape"] if line not in right["shape"]))
        print(f"FAILED: traces of {names[0]} (-) and {name} (+) differ")
    for mark, left, right in ((names[0], first, other), (name, other, first)):
        alone = sorted(set(left["metrics"]) - set(right["metrics"]))
        print(f"{names[0]} beside {name}: {len(alone)} metrics of {mark} alone: {', '.join(alone)}")
    both = set(first["metrics"]) & set(other["metrics"])
    for metric in sorted(metric for metric in both if first["metrics"][metric] != other["metrics"][metric]):
        print(f"{names[0]} beside {name}: {metric}: labels {first['metrics'][metric]}, {other['metrics'][metric]}")
print(f"{len(names)} combinations, traces the same: {not failed}")
sys.exit(failed)
