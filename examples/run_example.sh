#!/bin/sh
# Runs an example as the tests do: its first line must contain the text given.
#
#   run_example.sh EXPECTED PROGRAM MODEL [ARGUMENT...]     MODEL: minilm, or a folder of the source
set -eu
expected=$1
program=$2
model=$3
shift 3
if [ "$model" = minilm ]; then
  model=${TAMIS_MODEL:-$SOURCE/build/models/minilm}
  if [ ! -f "$model/config.json" ]; then
    echo "needs the model: run make model"
    [ "${CI:-}" = true ] && exit 1
    exit 77
  fi
else
  model=$SOURCE/$model
fi
output=$("$BUILD/examples/$program" "$model" "$@" <"$SOURCE/examples/sentences.txt")
printf '%s\n' "$output"
case $(printf '%s\n' "$output" | head -n 1) in
  *"$expected"*) ;;
  *) echo "the first line does not contain: $expected"; exit 1 ;;
esac
