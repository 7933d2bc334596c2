#!/usr/bin/env python3
"""An application that records every request of its sidecar and answers as the path says.

/ok /retry/N /drop /odd /missing /fail/N /empty: N failures come before the first success of an event.
GET /recorded gives the requests so far as JSON.
"""
import collections, http.server, json, sys, threading

recorded, attempts, lock = [], collections.Counter(), threading.Lock()
SUFFIX = sys.argv[2] if len(sys.argv) > 2 else ""
SUBSCRIPTIONS = [
    {"pubsubname": "bus", "topic": "programmatic" + SUFFIX, "route": "/ok"},
    {"pubsubname": "bus", "topic": "ruled" + SUFFIX, "routes": {"default": "/empty", "rules": [
        {"match": 'event.type == "first"', "path": "/ok"}, {"match": 'event.data.n > 3', "path": "/odd-path"}]}},
    {"pubsubname": "bus", "topic": "raw" + SUFFIX, "route": "/ok", "metadata": {"rawPayload": "true"}},
    {"pubsubname": "bus", "topic": "no-route" + SUFFIX},
]


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
        if self.path == "/dapr/subscribe":
            return self.answer(200, json.dumps(SUBSCRIPTIONS).encode())
        return self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
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
