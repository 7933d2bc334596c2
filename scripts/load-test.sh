#!/usr/bin/env bash
# Loads the todo backend: reading tasks, creating tasks, then both mixed as users do. Requests are sent at a fixed rate whatever the
# answers do, and counted from the moment when they were due, so a backend that stalls cannot hide it. Every task made is deleted.
# Exits with 1 when a request failed or could not be sent.
#
#   BACKEND_URL=http://localhost:8000   where the backend answers: `tidewatch up` here, or a port-forward to a cluster
#   RATE=100                            requests a second
#   DURATION=30s                        of each of the three parts
#   CONNECTIONS=10                      at a time, at most (CONCURRENCY is taken too)
#   REQUESTS=                           instead of DURATION: how many requests each part sends; above RATE=1000 to the nearest millisecond's worth
#   FAIL_IF="errors>0 missed>0"         limits, see `tidewatch load --help`; empty for none
#   TIDEWATCH=target/release/tidewatch  the program; by default the one built here, or on the PATH
#
# Examples:
#   tidewatch up                                          # in one terminal
#   scripts/load-test.sh                                  # in another
#   RATE=400 DURATION=2m scripts/load-test.sh             # enough to see it scale
#   kubectl -n todo-app-prod port-forward service/todo-backend 8000 & scripts/load-test.sh     # a cluster
#
# A port-forward leads to one pod only. To load all replicas of a cluster, run it inside: BACKEND_URL=http://todo-backend.todo-app-prod:8000
# ALLOW_REMOTE=1 scripts/load-test.sh
set -euo pipefail
case "${1:-}" in
  "") ;;
  -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
  *) echo "load-test.sh takes no argument $1; hint: it is set by variables, see --help" >&2; exit 2 ;;
esac
here="$(cd "$(dirname "$0")/.." && pwd)"
: "${BACKEND_URL:=http://localhost:8000}" "${RATE:=100}" "${DURATION:=30s}" "${CONNECTIONS:=${CONCURRENCY:-10}}" "${REQUESTS:=}"
: "${FAIL_IF=errors>0 missed>0}" "${ALLOW_REMOTE:=}"
BACKEND_URL="${BACKEND_URL%/}"
if [ -z "${TIDEWATCH:-}" ]; then
  TIDEWATCH="$here/target/release/tidewatch"
  [ -x "$TIDEWATCH" ] || TIDEWATCH="$(command -v tidewatch || true)"
fi
[ -x "$TIDEWATCH" ] || { echo "the program tidewatch is not here; hint: make build, or set TIDEWATCH" >&2; exit 2; }
if [ -n "$REQUESTS" ]; then
  for number in "$REQUESTS" "$RATE"; do
    case "$number" in
      ""|0*|*[!0-9]*) echo "REQUESTS=$REQUESTS RATE=$RATE: give whole numbers from 1 on; hint: REQUESTS=1000 RATE=100" >&2; exit 2 ;;
    esac
  done
  # as long as the requests take at the rate, to the nearest millisecond
  DURATION="$(( (REQUESTS * 2000 + RATE) / (2 * RATE) ))ms"
fi
if command -v curl >/dev/null && ! curl --silent --fail --output /dev/null --max-time 5 "$BACKEND_URL/api/tasks?limit=1"; then
  echo "$BACKEND_URL/api/tasks does not answer" >&2
  echo "  hint: start it with \`tidewatch up\`, or kubectl -n todo-app-prod port-forward service/todo-backend 8000, or set BACKEND_URL" >&2
  exit 1
fi

arguments=(--rate "$RATE/s" --for "$DURATION" --connections "$CONNECTIONS")
for limit in $FAIL_IF; do arguments+=(--fail-if "$limit"); done
if [ -n "$ALLOW_REMOTE" ]; then arguments+=(--allow-remote); fi
failed=0
part() { # title, weights
  printf '\n== %s\n' "$1"
  "$TIDEWATCH" load "$BACKEND_URL" --scenario tasks --weights "$2" "${arguments[@]}" || failed=1
}

echo "Load testing the backend: $BACKEND_URL, $RATE requests a second, $DURATION for each part, $CONNECTIONS connections"
part "GET /api/tasks" "list=1"
part "POST /api/tasks (each created task is deleted again)" "create=1,delete=1"
part "Everything that users do" "list=50,get=20,create=10,update=10,complete=5,delete=5"
echo
if [ "$failed" = 0 ]; then echo "Load test complete: no limit was crossed."; else echo "Load test complete: A LIMIT WAS CROSSED, see above."; fi
echo "The dashboards show it: http://localhost:3000 (tidewatch up), or Grafana."
exit "$failed"
