#!/bin/sh
# Builds a release twice, in two folders whose paths differ in length and depth, without ccache, and
# compares every object, archive, library and program. About 20 minutes on two cores for the default.
#
#   tools/check/check_reproducible.sh [TARGET...]      default: tamis libtamis
#
# Builds what git tracks as it lies in the tree. JOBS (default: all cores) is how many compilers run
# at once, CMAKE_ARGUMENTS what both builds are configured with besides.
set -eu
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || set -- tamis libtamis
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' INT TERM
git ls-files -z | tar --null --files-from=- -cf "$stage/source.tar"
first=$stage/a/tamis
second=$stage/another/and/longer/path/to/the-same-source
for folder in "$first" "$second"; do
  mkdir -p "$folder"
  tar -xf "$stage/source.tar" -C "$folder"
  # shellcheck disable=SC2086  # arguments are meant to be split
  CCACHE_DISABLE=1 cmake --preset release -S "$folder" -DTAMIS_TESTS=OFF -DTAMIS_BENCHMARKS=OFF \
    ${CMAKE_ARGUMENTS:-} >"$stage/log" 2>&1 || { cat "$stage/log"; exit 1; }
  CCACHE_DISABLE=1 cmake --build "$folder/build/release" --parallel "${JOBS:-$(nproc)}" \
    --target "$@" >"$stage/log" 2>&1 || { tail -n 50 "$stage/log"; exit 1; }
done

faults=0
compared=0
list() {
  (cd "$1/build/release" && find . -path ./CMakeFiles/3.\* -prune -o -type f \
    \( -name '*.o' -o -name '*.a' -o -name '*.so*' -o -perm -u+x \) -print | sort)
}
list "$first" >"$stage/list"
list "$second" | cmp - "$stage/list" || faults=1
while read -r file; do
  compared=$((compared + 1))
  cmp "$first/build/release/$file" "$second/build/release/$file" || faults=$((faults + 1))
  # Equal where the two paths had the same effect by chance: no path of the build may be inside.
  if grep -qF "$stage" "$first/build/release/$file"; then
    echo "$file: holds the path it was built in"
    faults=$((faults + 1))
  fi
done <"$stage/list"
echo "check_reproducible: $compared files compared, $faults faults"
[ "$compared" -gt 0 ] && [ "$faults" -eq 0 ]
