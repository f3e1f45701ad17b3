#!/bin/bash
# Runs `make demo` (or another target) in a bare Debian 12 tree, where nothing is installed but git
# and make: what works only on a developer's machine shows there. The committed state of the checkout
# is what is tested. bare_tree.sh says what it needs.
#
#   tools/environment/bare_debian_test.sh [TARGET...]        default: demo
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/environment/bare_tree.sh
. tools/environment/bare_tree.sh

[ $# -gt 0 ] || set -- demo
bare_check
trap 'bare_unmount "${bare_trees[@]}"' EXIT
bare_base
bare_make run
bare_inside "$tree" apt-get -q -q update
bare_inside "$tree" apt-get -q -q -y install --no-install-recommends git make >/dev/null
git clone -q "$PWD" "$tree/root/tamis"
chown -R 0:0 "$tree/root/tamis"

for target in "$@"; do
  echo "bare: make $target"
  start=$(date +%s)
  bare_inside "$tree" make -C /root/tamis "$target"
  echo "bare: make $target took $(($(date +%s) - start)) s"
done
