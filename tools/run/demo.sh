#!/bin/sh
# The main job on a real model: optimize it, ask it which sentences are alike, time it. Only native
# programs run here; `make demo` has set up, fetched the model and built them before.
set -eu
cd "$(dirname "$0")/../.."

bin=build/release
model=${TAMIS_MODEL:-build/models/minilm}
bundle=build/demo/minilm.tamis
mkdir -p build/demo

step() { printf '\n== %s\n' "$*"; }

step "tamis optimize $model -o $bundle"
"$bin/tamis" optimize "$model" -o "$bundle" --force

step "which of these sentences are most alike?"
cat examples/sentences.txt
echo
"$bin/examples/most_alike" "$bundle" <examples/sentences.txt

step "tamis bench $model $bundle"
"$bin/tamis" bench "$model" "$bundle" --shape 1x16 --shape 1x128 --shape 32x128
