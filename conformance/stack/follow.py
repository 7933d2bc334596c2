"""Runs the application with one combination of sidecar and broker, follows tasks through it and kills the broker under load.

Arguments: the tidewatch program, the sidecar (daprd or tidewatch), the broker (kafka or tidewatch), a folder.
Output: lines for people; <folder>/result.json with the shape of the traces and the names of the metrics, for compare.py.
It deliberately reads no answer of a sidecar or broker itself: what they said comes from tidewatch's APIs.
"""

import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PATIENCE = 120  # seconds that anything may take on a busy machine
PARTITIONS = 5
RESTARTS = "kube_pod_container_status_restarts_total > 0"
RESTARTS_OF_BROKER = 'kube_pod_container_status_restarts_total{container="kafka"} > 0'
BROWSER = "a request"  # the parent of the first span


def ask(url, method="GET", body=None, headers=None):
    """Status and answer; the answer is parsed if it is JSON."""
    data = None if body is None else json.dumps(body).encode()
    headers = dict(headers or {}, **({"content-type": "application/json"} if data else {}))
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def eventually(what, attempt, patience=PATIENCE):
    """The first answer that is not None."""
    end = time.monotonic() + patience
    while True:
        try:
            found = attempt()
        except (OSError, http.client.HTTPException):
            found = None
        if found is not None:
            return found
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: not within {patience} s: {what}")
        time.sleep(0.2)


def literal(file, key):
    """The text of a block `key: |` in a manifest."""
    lines = file.read_text().split("\n")
    at = next(n for n, line in enumerate(lines) if line.strip() == f"{key}: |")
    indent = len(lines[at]) - len(lines[at].lstrip())
    block = []
    for line in lines[at + 1 :]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        block.append(line)
    cut = len(block[0]) - len(block[0].lstrip())
    return "\n".join(line[cut:] for line in block) + "\n"


def settings(sidecar, broker, folder):
    """The tidewatch.yaml of this run: the shipped one, with the real peers for their images."""
    shipped = (REPOSITORY / "tidewatch.yaml").read_text()
    text = shipped.replace("  - kubernetes/", f"  - {REPOSITORY}/kubernetes/").replace(": 8000\n", ": 0\n").replace(": 8080\n", ": 0\n")
    images = ""
    if sidecar == "daprd":
        images += f"  daprd: {json.dumps({'command': [sys.executable, str(HERE / 'daprd.py'), shutil.which(os.environ['DAPRD'])]})}\n"
    if broker == "kafka":
        env = {"KAFKA_JARS": os.path.abspath(os.environ["KAFKA_JARS"]), "PATH": os.environ["PATH"]}
        if os.environ["JMX_AGENT"]:
            rules = folder / "jmx.yml"
            rules.write_text(literal(REPOSITORY / "kubernetes" / "todo-app-prod.yaml", "kafka-metrics-config.yml"))
            env |= {"JMX_AGENT": os.path.abspath(os.environ["JMX_AGENT"]), "JMX_RULES": str(rules)}
        images += f"  kafka: {json.dumps({'command': [str(HERE / 'kafka.sh')], 'env': env})}\n"
    assert text.count("expose:\n") == 1, text
    file = folder / "tidewatch.yaml"
    file.write_text(text.replace("expose:\n", images + "expose:\n"))
    return file


class Stack:
    """A running `tidewatch up`."""

    def __init__(self, program, sidecar, broker, folder):
        self.data = folder / "data"
        self.log = open(folder / "tidewatch.log", "w")
        anywhere = ["ui", "web.", "otlp.grpc.", "otlp.http.", "jaeger.web.", "jaeger.sampling."]
        flags = [f"--{name}{'-' if name == 'ui' else ''}listen-address=127.0.0.1:0" for name in anywhere]
        config = settings(sidecar, broker, folder)
        self.process = subprocess.Popen(
            [program, "up", "--config", config, "--data-dir", self.data, *flags], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL
        )
        self.addresses = eventually("addresses.json", self.read_addresses)
        self.jaeger = self.addresses["traces"]["jaeger"]
        self.prometheus = self.addresses["prometheus"]
        self.frontend = self.addresses["services"]["todo-frontend"]

    def read_addresses(self):
        if self.process.poll() is not None:
            raise SystemExit(f"FAILED: tidewatch ended: {pathlib.Path(self.log.name).read_text()}")
        try:
            addresses = json.loads((self.data / "addresses.json").read_text())
        except (OSError, ValueError):
            return None
        return addresses if addresses["pid"] == self.process.pid else None

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def pods_ready(self):
        _, pods = ask(f"{self.addresses['ui']}/api/v1/namespaces/todo-app-prod/pods")
        ready = [
            any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])) for pod in pods["items"]
        ]
        # the broker, two backends, two frontends, the event service
        return len(ready) if len(ready) >= 6 and all(ready) else None

    def query(self, expression):
        _, answer = ask(f"{self.prometheus}/api/v1/query?query={urllib.parse.quote(expression)}")
        assert answer["status"] == "success", (expression, answer)
        return answer["data"]["result"]

    def values(self, expression):
        return [float(series["value"][1]) for series in self.query(expression)]

    def kill_broker(self):
        """kill -9 of the one process below tidewatch that is the broker."""
        children = collections.defaultdict(list)
        for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, rest = int(status.parent.name), status.read_text().rsplit(")", 1)[1].split()
                children[int(rest[1])].append((pid, (status.parent / "cmdline").read_text().replace("\0", " ")))
            except OSError:
                continue
        below, at = [], [self.process.pid]
        while at:
            found = children[at.pop()]
            below += found
            at += [pid for pid, _ in found]
        brokers = [pid for pid, command in below if " kafka.Kafka " in command or "tidewatch broker " in command]
        assert len(brokers) == 1, below
        os.kill(brokers[0], signal.SIGKILL)


def trace_of(stack, trace_id, span_id):
    """The shape of a trace: every span with its parent, by service, kind and name."""
    status, answer = ask(f"{stack.jaeger}/api/traces/{trace_id}")
    if status != 200:
        return []
    spans = {}
    for trace in answer["data"]:
        for span in trace["spans"]:
            tags = {tag["key"]: tag["value"] for tag in span["tags"]}
            service = trace["processes"][span["processID"]]["serviceName"]
            name = f"{service} {tags.get('span.kind')} {span['operationName']}"
            parents = [reference["spanID"] for reference in span["references"]]
            spans[span["spanID"]] = (name, parents, bool(tags.get("error")))
    named = {key: value[0] for key, value in spans.items()} | {span_id: BROWSER}
    lines = (
        f"{name}{' FAILED' if failed else ''} < {', '.join(named.get(parent, 'nobody') for parent in parents) or 'nothing'}"
        for name, parents, failed in spans.values()
    )
    return sorted(lines)


def add_task(stack, headers=None):
    status, answer = ask(f"{stack.frontend}/api/tasks", "POST", {"title": "buy milk"}, headers)
    return status, answer


def follow(stack, number):
    """Adds a task with a trace of its own: id of the task, seconds until its activity's span was there, its shape."""
    trace_id, span_id = f"{time.time_ns():016x}{number:016x}", f"{number + 1:016x}"
    began = time.monotonic()
    status, task = add_task(stack, {"traceparent": f"00-{trace_id}-{span_id}-01"})
    assert status == 201, (status, task)
    end = began + 30
    shape = []
    while time.monotonic() < end:
        shape = trace_of(stack, trace_id, span_id)
        if any(" INSERT activities" in line for line in shape) and not any("< nobody" in line for line in shape):
            break
        time.sleep(0.05)
    return trace_id, span_id, time.monotonic() - began


def everything(url, more):
    items, query = [], more(0, None)
    while query:
        status, page = ask(f"{url}?{query}")
        assert status == 200, page
        items += page["items"]
        query = more(len(items), page)
    return items


def compare_activities(stack):
    """Waits until each task has as many activities as changes; gives tasks, changes and what is wrong."""

    def tasks_more(read, page):
        return f"limit=100&offset={read}" if page is None or read < page["total"] else None

    def activity_more(_, page):
        if page is None:
            return "limit=200"
        return f"limit=200&before={page['next_before']}" if page.get("next_before") else None

    versions = {task["id"]: task["version"] for task in everything(f"{stack.frontend}/api/tasks", tasks_more)}

    def look():
        activities = everything(f"{stack.frontend}/api/activity", activity_more)
        by_task = collections.Counter(activity["task_id"] for activity in activities)
        twice = len(activities) - len({activity["event_id"] for activity in activities})
        wrong = {task: (versions.get(task, 0), by_task[task]) for task in versions.keys() | by_task.keys() if versions.get(task) != by_task[task]}
        return wrong, twice

    end = time.monotonic() + PATIENCE
    while True:
        wrong, twice = look()
        if not (wrong or twice) or time.monotonic() > end:
            return len(versions), sum(versions.values()), wrong, twice
        time.sleep(0.5)


def load_and_kill(stack, seconds):
    """Changes by four writers, the broker killed in the middle; gives how many changes were answered."""
    stop, answered = threading.Event(), collections.Counter()

    def write(writer):
        while not stop.is_set():
            try:
                status, task = add_task(stack)
                if status != 201:
                    answered[f"status {status}"] += 1
                    time.sleep(0.2)
                    continue
                answered["answered"] += 1
                status, _ = ask(f"{stack.frontend}/api/tasks/{task['id']}", "PATCH", {"title": f"by {writer}"})
                answered["answered" if status == 200 else f"status {status}"] += 1
            except (OSError, http.client.HTTPException):
                answered["no answer"] += 1
            time.sleep(0.01)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    try:
        time.sleep(seconds / 2)
        stack.kill_broker()
        at_kill = answered["answered"]
        time.sleep(seconds / 2)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    return dict(answered), at_kill


def expressions(name):
    """(panel, query) of a dashboard."""
    dashboard = json.loads(literal(REPOSITORY / "kubernetes" / "monitoring" / f"{name}-dashboard.yaml", f"{name}-dashboard.json"))

    def walk(panels):
        for panel in panels:
            yield from ((panel["title"], target["expr"]) for target in panel.get("targets", []))
            yield from walk(panel.get("panels", []))

    return list(walk(dashboard["panels"]))


def panels_without_data(stack, name, ignore):
    without = []
    for title, expression in expressions(name):
        query = expression.replace("$__rate_interval", "2m").replace("$__range", "5m").replace("$namespace", "todo-app-prod")
        query = re.sub(r"\$(app_id|topic|consumergroup)", ".+", query)
        if not any(metric in query for metric in ignore) and not any(v == v for v in stack.values(query)):
            without.append(f"{title}: {expression}")
    return without


def metric_labels(stack):
    """Name and labels of every metric of sidecars, brokers and exporter, without what comes from discovery."""
    match = urllib.parse.quote('{__name__=~"dapr_.+|kafka_.+"}')
    _, answer = ask(f"{stack.prometheus}/api/v1/series?match[]={match}")
    discovered = {"instance", "job", "namespace", "pod", "service", "endpoint", "container"}
    found = collections.defaultdict(set)
    for series in answer["data"]:
        found[series["__name__"]] |= series.keys() - discovered - {"__name__"}
    return {name: sorted(labels) for name, labels in sorted(found.items())}


def run(stack, broker, folder):
    faults = []
    began = time.monotonic()
    eventually("all pods ready", stack.pods_ready)
    print(f"all pods ready after {time.monotonic() - began:.1f} s")
    # the group has its partitions, or the first traces would wait for it
    eventually("a first activity", lambda: add_task(stack)[0] == 201 or None)
    compare_activities(stack)
    count = int(os.environ.get("TASKS", "100"))
    with concurrent.futures.ThreadPoolExecutor(10) as callers:
        followed = list(callers.map(lambda number: follow(stack, number), range(count)))
    times = sorted(seconds for _, _, seconds in followed)
    shapes = collections.Counter("\n".join(trace_of(stack, trace_id, span_id)) for trace_id, span_id, _ in followed)
    print(f"{count} traces, {len(shapes)} shape(s), complete after {times[len(times) // 2]:.2f} s (median), {times[-1]:.2f} s (longest)")
    for shape, times_seen in shapes.most_common(4):
        print(f"  {times_seen} times:\n    " + shape.replace("\n", "\n    "))
    if len(shapes) != 1 or "nobody" in "".join(shapes) or "FAILED" in "".join(shapes):
        faults.append("traces differ, or have a span without its parent, or failed ones")

    answered, at_kill = load_and_kill(stack, float(os.environ.get("LOAD", "20")))
    tasks, changes, wrong, twice = compare_activities(stack)
    print(f"load: {answered}, {at_kill} of them before kill -9 of the broker; {tasks} tasks, {changes} changes, every one with one activity: {not (wrong or twice)}")
    if wrong or twice:
        faults.append(f"{len(wrong)} tasks with other numbers of activities than changes, {twice} events twice: {dict(list(wrong.items())[:10])}")

    def settled():
        lags = stack.values('kafka_consumergroup_lag{topic="task-events"}')
        return True if lags == [0.0] * PARTITIONS else None

    eventually("lag 0 of every partition", settled)
    restarts = eventually("the restart of the broker, counted", lambda: stack.query(RESTARTS) if stack.values(RESTARTS_OF_BROKER) else None)
    print("restarts:", {f"{r['metric']['pod']}/{r['metric']['container']}": r["value"][1] for r in restarts})
    without_agent = broker == "kafka" and not os.environ["JMX_AGENT"]
    ignored = ["kafka_server_"] if without_agent else []
    # rates need two scrapes with messages since the restart
    end = time.monotonic() + PATIENCE
    while any(panels_without_data(stack, name, ignored) for name in ("dapr", "kafka")) and time.monotonic() < end:
        for _ in range(10):
            add_task(stack)
            time.sleep(0.2)
    for name in ("dapr", "kafka"):
        without = panels_without_data(stack, name, ignored)
        print(f"{len(expressions(name))} queries of the {name} dashboard, {len(without)} without data")
        faults += [f"no data for {line}" for line in without]
    result = {"shape": sorted(shapes)[0].split("\n"), "metrics": metric_labels(stack)}
    (folder / "result.json").write_text(json.dumps(result, indent=1))
    return faults


def main():
    program, sidecar, broker, folder = sys.argv[1:]
    folder = pathlib.Path(folder).resolve()
    folder.mkdir(parents=True)
    stack = Stack(program, sidecar, broker, folder)
    try:
        faults = run(stack, broker, folder)
    finally:
        stack.end()
    for fault in faults:
        print(f"FAILED: {fault}")
    sys.exit(bool(faults))


main()
