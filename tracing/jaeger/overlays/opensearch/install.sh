# Writes the state management policy, whose template takes every new backing index, and adds it to those that may
# exist already. All of it may be repeated.
set -eu
ask() {
  method=$1 path=$2
  shift 2
  printf 'user = "%s:%s"\n' "$STORAGE_USERNAME" "$STORAGE_PASSWORD" | # not on the command line, where ps shows it
    curl --config - --silent --show-error --fail-with-body -X "$method" -H 'Content-Type: application/json' "$STORAGE_URL/$path" "$@"
  echo
}
policy=_plugins/_ism/policies/jaeger-spans-lifecycle
body=$(sed "s/@RETENTION@/$RETENTION/" /etc/lifecycle/policy.json)
if found=$(ask GET "$policy"); then # a change must name the version it replaces
  number=$(echo "$found" | sed -n 's/.*"_seq_no":\([0-9]*\).*/\1/p')
  term=$(echo "$found" | sed -n 's/.*"_primary_term":\([0-9]*\).*/\1/p')
  ask PUT "$policy?if_seq_no=$number&if_primary_term=$term" --data "$body"
else
  ask PUT "$policy" --data "$body"
fi
if ask GET _data_stream/jaeger.spans; then # refused for indices that have a policy, which is fine
  ask POST _plugins/_ism/add/.ds-jaeger.spans* --data '{"policy_id": "jaeger-spans-lifecycle"}'
fi
