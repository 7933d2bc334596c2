#!/usr/bin/env python3
"""Writes random unit tests of rules: generate.py SEED COUNT FOLDER. Each case is a folder with rules.yml and test.yml.

Most cases are valid and expect nothing of what comes, so that a run lists all of it. About one in six is broken in one way.
"""
import json
import os
import random
import sys

JOBS = ["api", "web", "db"]
LENGTHS = ["30s", "1m", "2m", "3m", "5m", "10m"]


class Plain(str):
    """A scalar that is written as it is."""


def scalar(value):
    if isinstance(value, Plain):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def yaml(value, indent=""):
    if isinstance(value, dict):
        if not value:
            return " {}\n"
        return "\n" + "".join(f"{indent}{scalar(k)}:{yaml(v, indent + '  ')}" for k, v in value.items())
    if isinstance(value, list):
        if not value:
            return " []\n"
        return "\n" + "".join(f"{indent}-{yaml(v, indent + '  ')}" for v in value)
    return f" {scalar(value)}\n"


class Case:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.recorded, self.alerts, self.groups = [], [], []

    def chance(self, share):
        return self.r.random() < share

    def one(self, *values):
        return self.r.choice(values)

    def number(self):
        return self.one(lambda: str(self.r.randint(0, 20)), lambda: str(self.r.randint(0, 80) / 4),
                        lambda: self.one("1e3", "0.5e-2", ".5", "017", "1_000", "08", "5."))()

    def item(self, counter):
        kind = self.r.random()
        count = self.r.randint(0, 12)
        if kind < 0.08:
            return "_"
        if kind < 0.15:
            return f"_x{self.r.randint(0, 6)}"
        if kind < 0.2:
            return "stale"
        if kind < 0.23:
            return self.one("NaN", "Inf", "-Inf", "nan")
        if kind < 0.4:
            return self.one("", "-", "+") + self.number()
        if kind < 0.55:
            return f"{self.number()}x{count}"
        step = self.number()
        sign = "+" if counter else self.one("+", "-")
        return f"{self.number()}{sign}{step}x{count}"

    def values(self, counter=False):
        gap = lambda: self.one(" ", "  ", "\t")
        return gap().join(self.item(counter) for _ in range(self.r.randint(1, 6)))

    def series(self):
        found = []
        for name in ["gauge", "total", "other"]:
            for job in self.r.sample(JOBS, self.r.randint(0, 3)):
                for instance in range(self.r.randint(1, 2)):
                    labels = f'job="{job}", instance="{instance}"'
                    if self.chance(0.1):
                        labels += self.one(', odd="a\\"b\\\\c"', ", empty=''", ', uni="é"', ",", ', "q.d"="1"')
                    found.append({"series": f"{name}{{{labels}}}", "values": self.values(name == "total")})
        if self.chance(0.3):
            for le in ["0.1", "1", "+Inf"]:
                step = {"0.1": 1, "1": 3, "+Inf": 4}[le]
                found.append({"series": f'lat_bucket{{le="{le}", job="api"}}', "values": f"0+{step}x40"})
        if self.chance(0.1):
            found.append({"series": "{job='api'}" if self.chance(0.5) else "up", "values": self.values()})
        self.r.shuffle(found)
        return found

    def metric(self):
        names = ["gauge", "total", "other", "up", "missing"] + self.recorded
        selector = self.one("", "", '{job="api"}', '{job=~"api|web"}', '{instance!="0"}')
        return self.r.choice(names) + selector

    def vector(self, depth=0):
        m, length = self.metric(), self.one(*LENGTHS)
        simple = [
            lambda: m,
            lambda: f"{self.one('rate', 'increase', 'delta', 'irate', 'changes', 'resets')}({m}[{length}])",
            lambda: f"{self.one('avg', 'max', 'min', 'sum', 'count', 'last', 'present')}_over_time({m}[{length}])",
            lambda: f"{m} offset {length}",
            lambda: f"absent({m})",
            lambda: f"histogram_quantile(0.9, sum by (le) (rate(lat_bucket[{length}])))",
            lambda: "vector(time())",
            lambda: "ALERTS",
            lambda: "ALERTS_FOR_STATE",
            lambda: f"timestamp({m})",
            lambda: f"max_over_time({m}[5m:{self.one('', '30s')}])",
            lambda: f"{m} @ {self.r.randint(0, 900)}",
        ]
        if depth > 2 or self.chance(0.4):
            return self.r.choice(simple)()
        inner, other = self.vector(depth + 1), self.vector(depth + 1)
        return self.r.choice([
            lambda: f"sum({inner})",
            lambda: f"{self.one('sum', 'max', 'min', 'count', 'avg')} by ({self.one('job', 'instance', 'job, instance')}) ({inner})",
            lambda: f"count without (instance) ({inner})",
            lambda: f"topk({self.r.randint(1, 3)}, {inner})",
            lambda: f"({inner}) {self.one('>', '<', '>=', '==', '!=')} {self.number_plain()}",
            lambda: f"({inner}) {self.one('+', '-', '*', '/')} {self.number_plain()}",
            lambda: f"({inner}) {self.one('or', 'and', 'unless')} ({other})",
            lambda: f"({inner}) / on (job, instance) ({other})" if self.chance(0.3) else f"({inner}) + ignoring (x) ({inner})",
            lambda: f"({inner}) * on (job) group_left () (sum by (job) ({other}))",
            lambda: f'label_replace({inner}, "job", "{self.one("x", "$1")}", "job", "(.).*")',
            lambda: f"abs({inner})",
            lambda: f"clamp_max({inner}, {self.number_plain()})",
            lambda: f"-({inner})",
        ])()

    def number_plain(self):
        return self.one("0", "1", "2.5", "10", "100")

    def template(self):
        return "".join(self.one(
            "plain ", "é ", "", "{{ $value }}", "{{ $labels.job }}", "{{ .Labels.instance }}", "{{ $value | humanize }}",
            "{{ humanizePercentage $value }}", "{{ $value | humanizeDuration }}", '{{ printf "%.2f" $value }}',
            "{{ $externalLabels.region }}", "{{ $externalURL }}", "{{ if gt $value 2.0 }}much{{ end }}",
            '{{ with query "gauge" }}{{ . | first | value }}{{ end }}', '{{ range query "total" | sortByLabel "job" }}{{ .Labels.job }},{{ end }}',
            "{{ $labels }}", "{{ $labels.job | toUpper }}", '{{ query "absent(x)" | first | label "job" }}', "{{ .Nope }}",
        ) for _ in range(self.r.randint(1, 3)))

    def rules(self, group):
        rules = []
        for _ in range(self.r.randint(1, 4)):
            if self.chance(0.45):
                name = self.one(f"rec{group}:a", f"rec{group}:b", f"rec{group}:c")
                rule = {"record": name, "expr": self.vector()}
                if self.chance(0.3):
                    rule["labels"] = {self.one("extra", "job"): self.one("x", "", "{{ $value }}")}
                self.recorded.append(name)
            else:
                name = f"Alert{self.r.randint(0, 3)}"
                rule = {"alert": name, "expr": self.vector()}
                if self.chance(0.6):
                    rule["for"] = self.one("0s", *LENGTHS)
                if self.chance(0.3):
                    rule["keep_firing_for"] = self.one(*LENGTHS)
                if self.chance(0.5):
                    rule["labels"] = {self.one("severity", "severity", "severity", "job", "alertname"): self.one("page", "", self.template())}
                if self.chance(0.6):
                    rule["annotations"] = {key: self.template() for key in self.r.sample(["summary", "text", "x"], 2)}
                self.alerts.append(name)
            rules.append(rule)
        return rules

    def rule_file(self):
        groups = []
        for at in range(self.r.randint(1, 3)):
            group = {"name": f"g{at}", "rules": self.rules(at)}
            if self.chance(0.3):
                group["interval"] = self.one("30s", "1m")
            if self.chance(0.1):
                group["limit"] = self.r.randint(1, 3)
            if self.chance(0.15):
                group["labels"] = {"team": self.one("a", "{{ $value }}"), self.one("job", "zone"): "of group"}
            if self.chance(0.1):
                group["query_offset"] = self.one("30s", "1m", "0s")
            groups.append(group)
        self.r.shuffle(groups)
        self.groups = [group["name"] for group in groups]
        return {"groups": groups}

    def test(self, number):
        test = {"name": f"test {number}"} if self.chance(0.7) else {}
        if self.chance(0.8):
            test["interval"] = Plain(self.one("15s", "30s", "1m", "2m", "0s", "90s"))
        if self.chance(0.2):
            test["start_timestamp"] = self.one(Plain("1700000000"), "2026-01-31T08:00:00Z", Plain("1700000000.5"), Plain("0"))
        if self.chance(0.3):
            test["external_labels"] = {"region": "eu", "job": "outer"}
        if self.chance(0.3):
            test["external_url"] = self.one("http://prometheus:9090", "http://x/y")
        test["input_series"] = self.series()
        moment = lambda: Plain(self.one("0", "1m", "90s", "5m", "7m30s", "10m", "16m", "20m", "1s", "500ms"))
        names = sorted(set(self.alerts)) + ["Nope"]
        test["alert_rule_test"] = [
            {"eval_time": moment(), "alertname": self.r.choice(names), "exp_alerts": self.expected_alerts()}
            for _ in range(self.r.randint(0, 5))
        ]
        exprs = [self.vector() for _ in range(self.r.randint(0, 4))] + [
            self.one('{__name__=~"rec.*"}', "ALERTS", "1 + 1", "time()", "gauge", "ALERTS_FOR_STATE")
        ]
        if self.chance(0.1):
            exprs.append(self.one("gauge[5m]", '"text"', "gauge(", "nope(gauge)", "gauge + on(job) total", "sum(gauge"))
        test["promql_expr_test"] = [
            {"expr": expr, "eval_time": moment(), "exp_samples": self.expected_samples()} for expr in exprs
        ]
        return test

    def expected_alerts(self):
        if self.chance(0.7):
            return []
        return [{"exp_labels": {"job": self.one("api", ""), "severity": "page"}, "exp_annotations": {"text": "é"}}]

    def expected_samples(self):
        if self.chance(0.7):
            return []
        value = self.one(Plain(".nan"), Plain("-.Inf"), 1, 2.5, Plain("1e-3"), Plain("1_000"))
        labels = self.one("", "{}", "gauge", 'gauge{job="api", instance="0"}', '{"a.b"="1"}', 'sum{by="x",}')
        return [{"labels": labels, "value": value}]

    def test_file(self):
        rules = self.one("rules.yml", "rules.yml", "*.yml", "[r]ules.y?l")
        if rules == "*.yml":
            rules = "rule*.yml"
        file = {"rule_files": [rules]}
        if self.chance(0.05):
            file["rule_files"].append("none*.yml")
        if self.chance(0.8):
            file["evaluation_interval"] = Plain(self.one("15s", "30s", "1m", "2m", "100s"))
        if len(self.groups) > 1:
            file["group_eval_order"] = self.r.sample(self.groups, len(self.groups))
        if self.chance(0.2):
            file["fuzzy_compare"] = True
        file["tests"] = [self.test(number) for number in range(self.r.randint(1, 2))]
        return file


def broken(case, rules, tests):
    """Breaks a case in one way."""
    test, r = tests["tests"][0], case.r
    series = lambda text: test["input_series"].append({"series": "bad", "values": text})
    group = rules["groups"][0]
    ways = [
        lambda: series(r.choice(["1 a", "1x", "1+2", "x3", "--1", "1 stalex3", "_1", "1__0", "1e", "0x1F", "1,2", "1x-1", "1x1e2"])),
        lambda: test["input_series"].append({"series": r.choice(["a{", "a{b}", "a{b=1}", "a{b=~'x'}", "a b", "1a", "a{b='1' c='2'}", "a{b='\\q'}", "a}"]), "values": "1"}),
        lambda: test.update({"nope": 1}),
        lambda: tests.update({"group_eval_order": ["a", "a"]}),
        lambda: test["alert_rule_test"].append({"eval_time": "1m"}),
        lambda: test["alert_rule_test"].append({"eval_time": "1m", "alertname": "A", "groupname": "g"}),
        lambda: test.update({"interval": r.choice(["x", "-1m", "1m1h"])}),
        lambda: test.update({"start_timestamp": "noon"}),
        lambda: test["promql_expr_test"].append({"expr": "up", "eval_time": "1m", "exp_samples": [{"labels": "a{", "value": 1}]}),
        lambda: test["promql_expr_test"].append({"expr": "up", "eval_time": "1m", "exp_samples": [{"labels": "a", "value": "x"}]}),
        lambda: group["rules"].append({"record": "a b{", "expr": "up"}),
        lambda: group["rules"].append({"record": "a", "expr": "sum("}),
        lambda: group["rules"].append({"alert": "A", "expr": "up", "annotations": {"x": "{{ $nope }}"}}),
        lambda: group["rules"].append({"alert": "A", "expr": "up", "hold": "1m"}),
        lambda: group["rules"].append({"record": "a", "alert": "A", "expr": "up"}),
        lambda: group["rules"].append({"record": "a", "expr": "up", "for": "1m"}),
        lambda: group["rules"].append({"expr": "up"}),
        lambda: group.update({"name": ""}),
        lambda: group.update({"interval": "x"}),
        lambda: rules["groups"].append({"name": group["name"], "rules": []}),
        lambda: tests.update({"rule_files": ["["]}),
        lambda: tests.update({"tests": "x"}),
    ]
    r.choice(ways)()


def tagged(value):
    """A tree that keeps in JSON which scalars are written as they are."""
    if isinstance(value, dict):
        return {key: tagged(part) for key, part in value.items()}
    if isinstance(value, list):
        return [tagged(part) for part in value]
    return {"plain": str(value)} if isinstance(value, Plain) else value


def untagged(value):
    if isinstance(value, dict):
        if list(value) == ["plain"]:
            return Plain(value["plain"])
        return {key: untagged(part) for key, part in value.items()}
    return [untagged(part) for part in value] if isinstance(value, list) else value


def write(seed, folder):
    case = Case(seed)
    rules = case.rule_file()
    tests = case.test_file()
    is_broken = case.chance(0.16)
    if is_broken:
        broken(case, rules, tests)
    os.makedirs(folder)
    for name, value in [("rules.yml", rules), ("test.yml", tests)]:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(yaml(value).lstrip("\n"))
    with open(os.path.join(folder, "case.json"), "w", encoding="utf-8") as file:
        json.dump({"broken": is_broken, "tests": tagged(tests)}, file)


def main():
    seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for number in range(count):
        write(seed * 1_000_000 + number, os.path.join(folder, f"{number:04}"))


if __name__ == "__main__":
    main()
