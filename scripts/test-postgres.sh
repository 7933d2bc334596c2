#!/usr/bin/env bash
# The todo applications' tests on a PostgreSQL of their own: made in a temporary folder, on a free loopback port, removed
# afterwards. Needs PostgreSQL's server programs (Debian: postgresql). Run as root, the server runs as user postgres.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$programs" ] || programs=$(dirname "$(command -v initdb || true)")
[ -x "$programs/initdb" ] || { echo "PostgreSQL's server is not installed; hint: apt-get install postgresql" >&2; exit 1; }

folder=$(mktemp -d)
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  chown postgres "$folder"
  as() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null ||
  node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
stop() {
  (cd / && as "$programs/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1) || true
  rm -rf "$folder"
}
trap stop EXIT

(cd / && as "$programs/initdb" -D "$folder/data" -U todo --auth=trust --no-sync >/dev/null)
(cd / && as "$programs/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
  -o "-c listen_addresses=127.0.0.1 -p $port -c unix_socket_directories='' -c fsync=off" start >/dev/null)
# The backend's tests start it.
cargo build --locked -p todo-event-service
for app in backend event-service; do
  (cd / && as "$programs/createdb" -h 127.0.0.1 -p "$port" -U todo "$app")
  TEST_POSTGRES_URL="postgres://todo@127.0.0.1:$port/$app" \
    cargo test --locked -p "todo-$app" --test it -- postgres
done
