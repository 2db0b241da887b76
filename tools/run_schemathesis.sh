#!/usr/bin/env bash
# Holds a running server to its own description: requests made from /openapi.json, good and bad, with every check
# that Schemathesis has. What counts as right beside a 2xx stands in schemathesis.toml.
#
# Usage: tools/run_schemathesis.sh [PROGRAM]      (target/debug/explaind by default)
set -euo pipefail

version=4.32.5

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${1:-$root/target/debug/explaind}
models=$root/tests/fixtures/models

# The mark is set last: a folder without it is half an installation.
environment=${XDG_CACHE_HOME:-$HOME/.cache}/explaind-ci/schemathesis-$version
if [[ ! -e $environment/installed ]]; then
  rm -rf "$environment"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet "schemathesis==$version"
  touch "$environment/installed"
fi

scratch=$(mktemp -d)
log=$scratch/server.log
server=
# shellcheck disable=SC2329  # The trap calls it.
clean_up() {
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap clean_up EXIT

fail() {
  echo "run_schemathesis: $1" >&2
  echo "the end of the server's log:" >&2
  tail -n 40 "$log" >&2
  exit 1
}

# Nothing of the caller's settings reaches the server under test.
for name in $(compgen -e EXPLAIND_ || true); do
  unset "$name"
done

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port

# The description allows three digits before the point of X-Request-Timeout; with this limit, so does the server.
# In the scratch folder, for an explaind.toml in the caller's folder would be read.
program=$(realpath "$program")
(
  cd "$scratch"
  EXPLAIND_DEADLINE_SECONDS=1000 exec "$program" --listen "127.0.0.1:$port" --database-url sqlite:explaind.db \
    --model "three-labels=$models/three-labels" \
    --model "pairs=$models/pairs" \
    --model "multi-label=$models/multi-label" \
    >"$log" 2>&1
) &
server=$!

tries=0
until curl --silent --fail --output /dev/null "$url/readyz"; do
  kill -0 "$server" 2>/dev/null || fail "the server ended before it was ready"
  tries=$((tries + 1))
  ((tries < 150)) || fail "the server was not ready within 30 seconds"
  sleep 0.2
done

# From a file, since Schemathesis leaves out the operation that it was given as its source.
curl --silent --fail --output "$scratch/openapi.json" "$url/openapi.json"

failed=0
# One worker, for the order of requests decides what is cached, and the same seed shall mean the same run.
# What is deleted stays deleted, but the first DELETE of a job that is under way only calls it off, and what was answered
# can still be had: to `use_after_free` every DELETE is the end. Our own tests look for what they have deleted.
(
  cd "$scratch"
  SCHEMATHESIS_HOOKS=$root/tools/schemathesis_hooks.py "$environment/bin/schemathesis" --config-file "$root/tools/schemathesis.toml" run openapi.json --url "$url" \
    --checks all --exclude-checks use_after_free --phases examples,coverage,fuzzing,stateful --workers 1
) || failed=1

# A fault that no answer shows.
kill -0 "$server" 2>/dev/null || fail "the server ended while it was asked"
if grep --extended-regexp '\bERROR\b|panicked' "$log" >&2; then
  fail "the server's log holds errors"
fi
panics=$(curl --silent --fail "$url/metrics" | awk '$1 == "explaind_panics_total" { print $2 }')
[[ $panics == 0 ]] || fail "explaind_panics_total is '$panics', not 0"

exit "$failed"
