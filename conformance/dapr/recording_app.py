#!/usr/bin/env python3
"""An application that records every request of its sidecar and answers as the path says.

/ok /retry/N /drop /odd /missing /fail/N /empty: N failures come before the first success of an event.
It is also the collector: POST /v1/traces takes OTLP. GET /recorded and GET /spans give what came so far as JSON.
"""
import collections, gzip, http.server, json, sys, threading

recorded, spans, attempts, lock = [], [], collections.Counter(), threading.Lock()
SUFFIX = sys.argv[2] if len(sys.argv) > 2 else ""
SUBSCRIPTIONS = [
    {"pubsubname": "bus", "topic": "programmatic" + SUFFIX, "route": "/ok"},
    {"pubsubname": "bus", "topic": "ruled" + SUFFIX, "routes": {"default": "/empty", "rules": [
        {"match": 'event.type == "first"', "path": "/ok"}, {"match": 'event.data.n > 3', "path": "/odd-path"}]}},
    {"pubsubname": "bus", "topic": "raw" + SUFFIX, "route": "/ok", "metadata": {"rawPayload": "true"}},
    {"pubsubname": "bus", "topic": "no-route" + SUFFIX},
]


def fields(data):
    """The fields of a protobuf message: number and value; lengths are bytes, the rest integers."""
    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                return value, at
    at = 0
    while at < len(data):
        key, at = varint(at)
        kind = key & 7
        if kind == 0:
            value, at = varint(at)
        elif kind == 2:
            size, at = varint(at)
            value, at = data[at:at + size], at + size
        else:
            size = 8 if kind == 1 else 4
            value, at = int.from_bytes(data[at:at + size], "little"), at + size
        yield key >> 3, value


def attributes(pairs):
    found = {}
    for pair in pairs:
        parts = dict(fields(pair))
        found[parts[1].decode()] = next((str(v.decode() if isinstance(v, bytes) else v) for _, v in fields(parts[2])), "")
    return found


def spans_of(data):
    for _, resource_spans in fields(data):
        resource = {}
        for number, value in fields(resource_spans):
            if number == 1:
                resource = attributes(v for n, v in fields(value) if n == 1)
            if number != 2:
                continue
            parts = list(fields(value))
            scope = next((dict(fields(v)).get(1, b"").decode() for n, v in parts if n == 1), "")
            for span in (v for n, v in parts if n == 2):
                one, listed = dict(fields(span)), list(fields(span))
                status = dict(fields(one.get(15, b"")))
                yield {"name": one[5].decode(), "kind": one.get(6, 0), "scope": scope, "resource": resource,
                       "parented": bool(one.get(4)), "tracestate": one.get(3, b"").decode(),
                       "attributes": attributes(v for n, v in listed if n == 9),
                       "status": [status.get(3, 0), status.get(2, b"").decode()]}


class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/recorded":
            with lock:
                return self.answer(200, json.dumps(recorded).encode())
        if self.path == "/spans":
            with lock:
                return self.answer(200, json.dumps(spans).encode())
        if self.path == "/dapr/subscribe":
            return self.answer(200, json.dumps(SUBSCRIPTIONS).encode())
        return self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/v1/traces":
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            with lock:
                spans.extend(spans_of(body))
            return self.answer(200, b"", "application/x-protobuf")
        body = body.decode("utf-8", "replace")
        headers = {name.lower(): value for name, value in self.headers.items()}
        with lock:
            recorded.append({"method": "POST", "path": self.path, "headers": headers, "body": body})
            key = (self.path, headers.get("__topic"), headers.get("__partition"), headers.get("__offset"))
            attempts[key] += 1
            attempt = attempts[key]
        kind, _, times = self.path.lstrip("/").partition("/")
        first_ones = times and attempt <= int(times)
        if kind == "retry" and first_ones:
            return self.answer(200, b'{"status":"RETRY"}')
        if kind == "fail" and first_ones:
            return self.answer(500, b"no")
        if kind == "drop":
            return self.answer(200, b'{"status":"DROP"}')
        if kind == "odd" and attempt == 1:
            return self.answer(200, b'{"status":"WHAT"}')
        if kind == "missing":
            return self.answer(404)
        if kind == "empty":
            return self.answer(200)
        return self.answer(200, b'{"status":"SUCCESS"}')


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
