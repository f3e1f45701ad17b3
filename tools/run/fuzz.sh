#!/bin/sh
# Builds the fuzz targets and runs each for some seconds, starting from its committed corpus. What is
# found lands in build/fuzz/found/NAME; a crash stops with the file that caused it.
#
#   tools/run/fuzz.sh SECONDS [NAME...]
set -eu
cd "$(dirname "$0")/../.."

seconds=$1
shift
cmake --preset fuzz
cmake --build --preset fuzz --target fuzz_targets
if [ $# -eq 0 ]; then
  for source in fuzz/*_fuzz.cc; do
    name=$(basename "$source" _fuzz.cc)
    [ ! -x "build/fuzz/fuzz/${name}_fuzz" ] || set -- "$@" "$name"
  done
fi
for name in "$@"; do
  mkdir -p "build/fuzz/found/$name" build/fuzz/crashes
  echo "fuzz: $name for $seconds s" >&2
  dictionary=
  [ ! -f "fuzz/$name.dict" ] || dictionary=-dict=fuzz/$name.dict
  corpora=$(cat "build/fuzz/fuzz/$name.corpus")
  # shellcheck disable=SC2086  # words, or none
  # timeout: a single input that takes 10 s is a fault; rss_limit: so is one that allocates 2 GB.
  "build/fuzz/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" $dictionary \
    "build/fuzz/found/$name" $corpora
done
