#!/bin/sh
# run.sh delay|abort -- COMMAND...: puts the fault's route first, runs the command, takes the route away whatever happens.
set -eu
HERE=$(dirname "$0")
KUBECTL=${KUBECTL:-kubectl}
FAULT=${1:?usage: run.sh delay|abort -- COMMAND...}
PATCH=$HERE/$FAULT/route-with-fault.yaml
test -f "$PATCH" || { echo "no fault is called $FAULT" >&2; exit 2; }
shift
[ "${1:-}" = "--" ] && shift

patch() { $KUBECTL -n mcp patch virtualservice mcp-catalog --type=json "$@" >/dev/null; }

restore() {
  status=$?
  trap - EXIT INT TERM
  patch -p '[{"op": "test", "path": "/spec/http/0/name", "value": "fault-'"$FAULT"'"}, {"op": "remove", "path": "/spec/http/0"}]'
  echo "restored: fault $FAULT is gone" >&2
  exit "$status"
}

patch --patch-file "$PATCH" # the live object's other routes stay as they are, with a canary's weights
trap restore EXIT
trap 'exit 130' INT TERM
echo "applied: fault $FAULT" >&2
"$@"
