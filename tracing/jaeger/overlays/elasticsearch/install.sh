# Writes the lifecycle policy and names it in the component template that Jaeger's own template leaves to its users,
# and on the data stream that may exist already. All of it may be repeated.
set -eu
ask() {
  method=$1 path=$2
  shift 2
  printf 'user = "%s:%s"\n' "$STORAGE_USERNAME" "$STORAGE_PASSWORD" | # not on the command line, where ps shows it
    curl --config - --silent --show-error --fail-with-body -X "$method" -H 'Content-Type: application/json' "$STORAGE_URL/$path" "$@"
  echo
}
ask PUT _ilm/policy/jaeger-spans-lifecycle --data "$(sed "s/@RETENTION@/$RETENTION/" /etc/lifecycle/policy.json)"
ask PUT _component_template/jaeger.spans@custom \
  --data '{"template": {"settings": {"index.lifecycle.name": "jaeger-spans-lifecycle"}}}'
ask PUT 'jaeger.spans/_settings?ignore_unavailable=true&allow_no_indices=true' \
  --data '{"index.lifecycle.name": "jaeger-spans-lifecycle"}'
