#!/usr/bin/env python3
"""Asks a sidecar the same questions in the same order, and writes down all it answers and does, with ids and times replaced.

ask.py API METRICS APP [SUFFIX] > transcript.json      (base URLs; what the names of topics end in)
"""
import json, re, sys, time, urllib.error, urllib.request

API, METRICS, APP, SUFFIX = (sys.argv + [""])[1:5]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-1] + "0"
transcript = {"answers": [], "deliveries": {}, "metrics": [], "metadata": None}


def ask(method, path, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(API + path, data=data, method=method, headers=headers)
    if data is not None and "Content-Type" not in headers:
        request.add_header("Content-Type", "")
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def plain(text):
    text = text.replace(SUFFIX, "") if SUFFIX else text
    text = re.sub(r"00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-", "00-PARENT-SPAN-", text)
    text = re.sub(r"00-[0-9a-f]{32}-[0-9a-f]{16}-", "00-TRACE-SPAN-", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", text)
    return re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "TIME", text)


def note(name, method, path, body=None, **headers):
    status, answered, text = ask(method, path, body, **headers)
    try:
        text = json.loads(plain(text))
    except ValueError:
        text = plain(text)
    lower = {key.lower(): value for key, value in answered.items()}
    kept = {key: plain(lower[key]) for key in ("content-type", "traceparent", "tracestate") if key in lower}
    transcript["answers"].append({"question": name, "status": status, "headers": kept, "body": text})


def publish(name, topic, body, content_type, query="", **headers):
    note(name, "POST", f"/v1.0/publish/bus/{topic}{SUFFIX}{query}", body, Content_Type=content_type, **headers)


JSON, CE = "application/json", "application/cloudevents+json"
deadline = time.time() + 60


def is_ready():
    try:
        return ask("GET", "/v1.0/healthz")[0] == 204
    except urllib.error.URLError:
        return False


while not is_ready():
    assert time.time() < deadline, "the sidecar is not ready after 60s"
    time.sleep(0.2)

note("ready", "GET", "/v1.0/healthz")
note("outbound ready", "GET", "/v1.0/healthz/outbound")
note("another app's id", "GET", "/v1.0/healthz?appid=other")
note("a method that is not there", "POST", "/v1.0/healthz")
note("a path that is not there", "GET", "/v1.0/nothing")
note("unknown pubsub", "POST", "/v1.0/publish/nothing/a", "{}", Content_Type=JSON)
note("unknown pubsub with metadata", "POST", "/v1.0/publish/nothing/a?metadata.k=v", "{}", Content_Type=JSON)
note("no topic", "POST", "/v1.0/publish/bus/", "{}", Content_Type=JSON)
note("forbidden topic", "POST", "/v1.0/publish/bus/forbidden", "{}", Content_Type=JSON)
note("bad raw flag", "POST", "/v1.0/publish/bus/programmatic" + SUFFIX + "?metadata.rawPayload=yes", "{}", Content_Type=JSON)
note("no event", "POST", "/v1.0/publish/bus/programmatic" + SUFFIX, "[]", Content_Type=CE)
note("GET of publish", "GET", "/v1.0/publish/bus/programmatic" + SUFFIX)
note("PUT of publish", "PUT", "/v1.0/publish/bus/plain" + SUFFIX, "{}", Content_Type=JSON)
note("set an attribute", "PUT", "/v1.0/metadata/key", "value")

publish("json", "programmatic", '{"b": [1, 2.50], "a": 12345678901234567890}', JSON, traceparent=PARENT, tracestate="k=v")
publish("json, broken", "programmatic", "{", JSON)
publish("json with a charset", "programmatic", "1", "application/json; charset=utf-8")
publish("text", "programmatic", "some <text> & more", "text/plain", traceparent=UNSAMPLED)
publish("no content type", "programmatic", "nothing said", "")
publish("binary", "programmatic", "binary", "application/octet-stream")
publish("empty", "programmatic", "", JSON)
publish("key", "programmatic", "1", JSON, "?metadata.partitionKey=k1&metadata.other=o&x=y")
publish("overrides", "programmatic", "1", JSON,
        "?metadata.cloudevent.id=mine&metadata.cloudevent.type=t&metadata.cloudevent.source=s&metadata.cloudevent.tracestate=a%3Db")
publish("long life", "programmatic", "1", JSON, "?metadata.ttlInSeconds=600")
publish("short life", "programmatic", "expired", "text/plain", "?metadata.ttl=1ns")
event = {"specversion": "1.0", "id": "e1", "source": "own", "type": "kind", "data": {"x": 1}, "extra": "kept"}
publish("event", "programmatic", json.dumps(event), CE, traceparent=PARENT)
publish("event with context", "programmatic", json.dumps(event | {"traceparent": UNSAMPLED, "traceid": UNSAMPLED, "tracestate": "a=b"}), CE)
publish("event, only traceparent", "programmatic", json.dumps(event | {"traceparent": UNSAMPLED}), CE, traceparent=PARENT)
publish("small event", "programmatic", '{"data": null, "source": null}', CE)
publish("ruled 1", "ruled", json.dumps(event | {"type": "first"}), CE)
publish("ruled 2", "ruled", json.dumps(event | {"data": {"n": 4}}), CE)
publish("ruled 3", "ruled", json.dumps(event | {"data": {"n": 2}}), CE)
publish("raw", "raw", "bytes", "text/plain", "?metadata.rawPayload=true")
publish("retry", "retry", '"r"', JSON)
publish("fail", "fail", '"f"', JSON)
publish("odd", "odd", '"o"', JSON)
publish("drop", "drop", '"d"', JSON, "?metadata.partitionKey=k2")
publish("missing", "missing", '"m"', JSON)
publish("dead", "dead", '"dead"', JSON, "?metadata.partitionKey=k3", traceparent=PARENT)

bulk = "/v1.0-alpha1/publish/bulk/bus/bulk" + SUFFIX
entry = lambda number, **more: {"entryId": str(number), "event": "text", "contentType": "text/plain"} | more
note("bulk", "POST", bulk + "?metadata.all=1", json.dumps([
    entry(1), entry(2, event={"n": 1}, contentType=JSON, metadata={"partitionKey": "k"}),
    entry(3, event="YWJj", contentType="application/octet-stream"), entry(4, event=event, contentType=CE)]),
    Content_Type=JSON, traceparent=PARENT)
# Large enough for a millisecond, without which there is no latency; nobody subscribes to it.
note("bulk, large", "POST", "/v1.0-alpha1/publish/bulk/bus/large" + SUFFIX,
     json.dumps([entry(number, event="text" * 500) for number in range(300)]), Content_Type=JSON)
note("bulk, broken", "POST", bulk, "{", Content_Type=JSON)
note("bulk, same ids", "POST", bulk, json.dumps([entry(1), entry(1)]), Content_Type=JSON)
note("bulk, no id", "POST", bulk, json.dumps([{"event": "a", "contentType": "text/plain"}]), Content_Type=JSON)
note("bulk, mismatch", "POST", bulk, json.dumps([entry(1, event={"n": 1})]), Content_Type=JSON)
note("bulk, no content type", "POST", bulk, json.dumps([{"entryId": "1", "event": "a"}]), Content_Type=JSON)
note("bulk, unknown pubsub", "POST", "/v1.0-alpha1/publish/bulk/nothing/a", "[]", Content_Type=JSON)
note("bulk, forbidden", "POST", "/v1.0-alpha1/publish/bulk/bus/forbidden", json.dumps([entry(1)]), Content_Type=JSON)
note("bulk, none", "POST", bulk, "[]", Content_Type=JSON)
note("bulk in v1.0", "POST", "/v1.0/publish/bulk/bus/bulk", "[]", Content_Type=JSON)

# Deliveries: until nothing has come for eight seconds: a consumer may find a new topic late.
last, quiet, deadline = -1, time.time(), time.time() + 60
while time.time() < deadline and time.time() - quiet < 8:
    with urllib.request.urlopen(APP + "/recorded") as answer:
        recorded = json.load(answer)
    if len(recorded) != last:
        last, quiet = len(recorded), time.time()
    time.sleep(0.2)
for request in recorded:
    headers = {name: plain(value) for name, value in request["headers"].items()
               if name not in ("host", "user-agent", "accept-encoding", "content-length", "__timestamp", "connection")}
    try:
        body = json.loads(plain(request["body"]))
    except ValueError:
        body = plain(request["body"])
    topic = headers.get("__topic", "?")
    transcript["deliveries"].setdefault(topic, []).append({"path": request["path"], "headers": headers, "body": body})
transcript["deliveries"].get("dead-letters", []).sort(key=lambda one: str(one["body"]))
for topic in ("bulk",):
    transcript["deliveries"].get(topic, []).sort(key=lambda one: str(one["body"]))
for one in transcript["deliveries"].get("dead-letters", []):
    # The order of the dead letters of different topics is nobody's promise.
    one["headers"].pop("__offset", None)

# daprd sends its spans every five seconds, and the quiet before was longer.
with urllib.request.urlopen(APP + "/spans") as answer:
    spans = json.loads(plain(answer.read().decode()))
for span in spans:
    span["attributes"].pop("server.port", None)
# How often it was asked for its health is chance; the order of sending is nobody's promise.
transcript["spans"] = sorted(json.dumps(span, sort_keys=True) for span in spans)

with urllib.request.urlopen(METRICS) as answer:
    page = plain(answer.read().decode())
for line in page.splitlines():
    if line.startswith("# TYPE ") and line.split()[2].startswith(("dapr_", "process_")):
        transcript["metrics"].append(line)
    elif re.match(r"dapr_\w+(_latenc|_roundtrip)", line):
        # Whether something took a millisecond is chance: only names and labels count.
        transcript["metrics"].append(line.split("{")[0] + " by " + ",".join(sorted(re.findall(r"(\w+)=", line))))
        bound = re.search(r'le="([^"]*)"', line)
        if bound:
            transcript["metrics"].append(f"{line.split('{')[0]} has le={bound.group(1)}")
    elif line.startswith("dapr_"):
        name = re.sub(r'le="[^"]*",?', "", line.rsplit(" ", 1)[0]).replace(",}", "}")
        count = line.rsplit(" ", 1)[1] if re.search(r"_count\b|_total\b|_loaded", name.split("{")[0]) else ""
        labels = ",".join(sorted(re.findall(r'\w+="[^"]*"', name)))
        transcript["metrics"].append(f"{name.split('{')[0]}{{{labels}}} {count}".strip())
        if "_bucket" in name and 'app_id="conformance"' in name:
            bound = re.search(r'le="([^"]*)"', line).group(1)
            transcript["metrics"].append(f"{name.split('{')[0]} has le={bound}")
transcript["metrics"] = sorted(set(transcript["metrics"]))
transcript["metadata"] = json.loads(plain(ask("GET", "/v1.0/metadata")[2]))
json.dump(transcript, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
print()
