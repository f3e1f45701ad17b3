#!/bin/bash
# Does what deploy/Dockerfile says, step by step, in bare Debian 12 trees, one for each stage, and asks
# the server of its last line for an embedding: without a container runtime, what a package lacks or a
# path misses shows here all the same. The committed state of the checkout is what is built.
# bare_tree.sh says what it needs; the server has a network of its own.
#
#   tools/environment/dockerfile_test.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/environment/bare_tree.sh
. tools/environment/bare_tree.sh

refuse() {
  echo "dockerfile: $1" >&2
  exit 1
}

copy_from_stage() {
  local stage=$1 source=$2 target=$3
  mkdir -p "$tree$target"
  # shellcheck disable=SC2086  # the source may hold a pattern
  cp -a "$bare_folder/$stage"$source "$tree$target"
}

run_step() {
  local word=$1 rest=$2
  case "$word $rest" in
    "FROM debian:12 AS "*) bare_make "${rest##* }" ;;
    "FROM debian:12-slim") bare_make final ;;
    "WORKDIR "*) workdir=$rest; mkdir -p "$tree$workdir" ;;
    "COPY . .") git clone -q "$PWD" "$tree$workdir"; chown -R 0:0 "$tree$workdir" ;;
    "COPY --from="*)
      read -r stage source target <<<"${rest#--from=}"
      copy_from_stage "$stage" "$source" "$target" ;;
    "RUN "*) bare_inside "$tree" sh -ec "cd ${workdir:-/} && $rest" ;;
    "USER "*) user=$rest ;;
    "VOLUME "*) volume=$rest; mkdir -p "$tree$volume" ;;
    "EXPOSE "*) ports=$rest ;;
    "ENTRYPOINT "*) entry=$rest ;;
    *) refuse "this test does not know \"$word $rest\"" ;;
  esac
}

# The instructions, one a line: comments away, continued lines joined.
instructions() {
  sed -e '/^#/d' deploy/Dockerfile | sed -e ':a' -e '/\\$/N; s/\\\n//; ta' | sed -e '/^ *$/d'
}

# Starts what ENTRYPOINT names as the image's user, with a model in the volume, and asks it.
serve_and_ask() {
  local command port=${ports%% *}
  command=$(python3 -c 'import json, shlex, sys; print(shlex.join(json.loads(sys.argv[1])))' "$entry")
  cp -r testdata/models/bert-base "$tree$volume/bert"
  # shellcheck disable=SC2016  # for the shell inside
  unshare --net bash -ec '
    ip link set lo up
    chroot --userspec="$2:$2" "$1" /usr/bin/env -i PATH=/usr/bin:/bin $3 >&2 &
    server=$!
    trap "kill -TERM \$server" EXIT
    for _ in $(seq 100); do
      curl -sf "http://127.0.0.1:$4/health" >/dev/null && break
      sleep 0.1
    done
    curl -sf "http://127.0.0.1:$4/v1/embeddings" -H "Content-Type: application/json" \
      -d "{\"model\": \"bert\", \"input\": \"A cat sleeps.\"}" || {
      echo "dockerfile: the server of the image gave no embedding" >&2
      exit 1
    }
    trap - EXIT
    kill -TERM $server
    wait $server' ask "$tree" "$user" "$command" "$port" >"$bare_folder/answer.json"
  python3 -c 'import json, sys
vector = json.load(open(sys.argv[1]))["data"][0]["embedding"]
assert abs(sum(x * x for x in vector) - 1) < 1e-3, vector' "$bare_folder/answer.json"
}

bare_check
trap 'bare_unmount "${bare_trees[@]}"' EXIT
bare_base
workdir=/
while read -r word rest <&3; do
  echo "dockerfile: $word $rest"
  case $word in FROM) workdir=/ ;; esac
  run_step "$word" "$rest"
done 3< <(instructions)
serve_and_ask
echo "dockerfile: the server of the image answers"
