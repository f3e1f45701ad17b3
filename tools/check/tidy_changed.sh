#!/bin/sh
# clang-tidy over the files that changed since the merge base with main; on main itself, since its
# last commit. Reads how files are compiled from a configured build, so that nothing is compiled
# again, and stops starting files after TIDY_SECONDS=240: what was left out is said.
#
#   tools/check/tidy_changed.sh [PRESET]     default: dev
set -eu
cd "$(dirname "$0")/../.."

preset=${1:-dev}
budget=${TIDY_SECONDS:-240}
database=build/$preset/compile_commands.json
[ -f "$database" ] || { echo "tidy: no $database; configure it: cmake --preset $preset" >&2; exit 2; }

base=
for main in origin/main main; do
  base=$(git merge-base HEAD "$main" 2>/dev/null) && break
done
if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
  base=$(git rev-parse -q --verify HEAD~1) || { echo "tidy: the first commit; nothing to do"; exit 0; }
fi

# A changed header is seen through the file beside it, or through its test.
files=$(git diff --name-only --diff-filter=d "$base" -- '*.cc' '*.h' | while read -r file; do
  case $file in
    *.cc) echo "$file" ;;
    *) for beside in "${file%.h}.cc" "${file%.h}_test.cc"; do
         [ ! -f "$beside" ] || { echo "$beside"; break; }
       done ;;
  esac
done | sort -u)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for file in $files; do
  # Generated files and what this preset leaves out have no way to be compiled.
  grep -q "\"file\": \".*/$file\"" "$database" && echo "$file" >>"$work/files"
done
[ -s "$work/files" ] || { echo "tidy: no C++ file changed since $(git rev-parse --short "$base")"; exit 0; }

# The build is g++'s: clang takes its flags but for warnings and optimizations of g++ alone, some of
# which it does not know, and its precompiled headers are not clang's.
sed 's/-include [^ ]*cmake_pch.hxx//; s/ -fno-tree-[a-z-]*//g' "$database" >"$work/compile_commands.json"
end=$(($(date +%s) + budget))
xargs -P "$(nproc)" -I FILE sh -c '
  file=$1 work=$2
  if [ "$(date +%s)" -ge "$3" ]; then echo "$file" >>"$work/late"; exit 0; fi
  clang-tidy -quiet -p "$2" --extra-arg=-w --extra-arg=-Qunused-arguments "$file" \
    >"$work/out.$$" 2>"$work/err.$$" && exit 0
  cat "$work/out.$$"
  grep -q "warning:\|error:" "$work/out.$$" || cat "$work/err.$$" >&2
  echo "$file" >>"$work/bad"
' sh FILE "$work" "$end" <"$work/files"

count=$(wc -l <"$work/files")
if [ -s "$work/late" ]; then
  echo "tidy: $(wc -l <"$work/late") of $count files were left out after $budget s; \`make tidy\` looks at all" >&2
fi
if [ -s "$work/bad" ]; then
  echo "tidy: findings in $(wc -l <"$work/bad") of $count files:" $(sort "$work/bad")
  exit 1
fi
echo "tidy: no findings in what changed since $(git rev-parse --short "$base") ($count files)"
