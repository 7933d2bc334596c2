#!/usr/bin/env bash
# Proves that tidewatch and Prometheus read each other's data folders, sample by sample.
#
#   1. tidewatch fills a folder (30 h, checkpoints, chunk files) and is killed with SIGKILL; promtool dumps it.
#   2. A real Prometheus opens a copy of that folder, answers queries from it, makes blocks of it and ends;
#      promtool dumps what it made.
#   3. A real Prometheus scrapes itself and is killed with SIGKILL, then started and ended in peace; tidewatch opens
#      what it left each time.
#
# Needs prometheus and promtool 3.x on the PATH (or in $(go env GOPATH)/bin); says so and ends with 0 without them.
# Takes about four minutes, most of it for Prometheus to fill chunks. Everything happens in a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/../.."

if command -v go >/dev/null; then PATH="$PATH:$(go env GOPATH)/bin"; fi
for tool in prometheus promtool curl; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not on the PATH"; exit 0; }
done
cargo build --quiet -p tidewatch-tsdb --example folder
folder="${CARGO_TARGET_DIR:-target}/debug/examples/folder"

work=$(mktemp -d)
child=
cleanup() {
    if [ -n "$child" ]; then kill -9 "$child" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT

# wait_for <seconds> <what> <command…>: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "timed out: $what" >&2; exit 1; }
        sleep 0.2
    done
}

# start_prometheus <data> <config> <log>: on a free port, which it leaves in $address.
start_prometheus() {
    prometheus --config.file="$2" --storage.tsdb.path="$1" --storage.tsdb.retention.time=30d \
        --web.listen-address=127.0.0.1:0 --log.format=json 2>"$3" &
    child=$!
    wait_for 60 "Prometheus listens" grep -q '"Listening on"' "$3"
    address=$(grep '"Listening on"' "$3" | head -1 | sed 's/.*"address":"\([^"]*\)".*/\1/')
    wait_for 60 "Prometheus is ready" curl -fsS "http://$address/-/ready"
}

for compression in plain snappy; do
    echo "1. a folder of tidewatch (log $compression), killed, read by promtool"
    data="$work/ours-$compression"
    "$folder" fill "$data" 50 30 "$compression" >"$work/fill" &
    child=$!
    wait_for 120 "the folder is filled" grep -q filled "$work/fill"
    kill -9 "$child" && wait "$child" 2>/dev/null || true
    child=
    cp -r "$data" "$work/copy-$compression"
    promtool tsdb dump "$data" >"$work/dump"
    "$folder" compare "$data" <"$work/dump"
done

echo "2. the same folder, opened by Prometheus"
echo 'global: {}' >"$work/empty.yml"
start_prometheus "$work/copy-snappy" "$work/empty.yml" "$work/log"
expected=$(wc -l <"$work/dump")
count=$(curl -fsS "http://$address/api/v1/query" \
    --data-urlencode 'query=sum(count_over_time({__name__=~"conformance_.*"}[31h]))' |
    sed 's/.*"value":\[[^,]*,"\([0-9]*\)".*/\1/')
# Staleness markers are samples in a dump and none in a query: 1 of 50 samples of every sixth series is one.
markers=$((30 * 120 / 50 * 8))
echo "$count samples by query, $markers staleness markers, $expected in the dump"
[ $((count + markers)) -eq "$expected" ]
# What is left in the head after compaction is at most three hours.
head_is_short() {
    curl -fsS "http://$address/metrics" | awk '
        /^prometheus_tsdb_head_min_time_seconds / { min = $2 }
        /^prometheus_tsdb_head_max_time_seconds / { max = $2 }
        END { exit !(max > 0 && max - min < 3.5 * 3600) }'
}
wait_for 180 "Prometheus has compacted the head" head_is_short
kill "$child" && wait "$child" || true
child=
if grep -E '"level":"ERROR"|orrupt|nknown series' "$work/log" | grep -v 'context canceled'; then
    echo "Prometheus complains" >&2
    exit 1
fi
echo "$(ls -d "$work"/copy-snappy/01* | wc -l) blocks made by Prometheus"
promtool tsdb dump "$work/copy-snappy" >"$work/dump"
"$folder" compare "$work/ours-snappy" <"$work/dump"

echo "3. a folder of Prometheus, killed, read by tidewatch"
cat >"$work/self.yml" <<CONFIG
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs: [{job_name: self, file_sd_configs: [{files: ["$work/targets.json"], refresh_interval: 1s}]}]
CONFIG
echo '[]' >"$work/targets.json"
start_prometheus "$work/theirs" "$work/self.yml" "$work/log"
echo "[{\"targets\": [\"$address\"]}]" >"$work/targets.json"
# Full chunks are written once a minute, and flushed when it ends in peace.
has_full_chunks() {
    curl -fsS "http://$address/metrics" | grep -E '^prometheus_tsdb_mmap_chunks_total [1-9]'
}
wait_for 180 "Prometheus has full chunks" has_full_chunks
kill -9 "$child" && wait "$child" 2>/dev/null || true
child=
promtool tsdb dump "$work/theirs" >"$work/dump"
"$folder" compare "$work/theirs" <"$work/dump"

start_prometheus "$work/theirs" "$work/empty.yml" "$work/log"
kill "$child" && wait "$child" || true
child=
chunks=$(cat "$work"/theirs/chunks_head/* | wc -c)
echo "the same after another start and a peaceful end, with $chunks bytes of chunks"
[ "$chunks" -gt 100000 ]
promtool tsdb dump "$work/theirs" >"$work/dump"
"$folder" compare "$work/theirs" <"$work/dump"
echo "equal in all three"
