#!/bin/sh
# clang-tidy, by how a configured build compiles files, so that nothing is compiled again.
#
#   tools/check/tidy.sh [changed|all] [PRESET]     default: changed, dev
#
# changed: the files that changed since the merge base with main; on main itself, since its last
# commit. Stops starting files after TIDY_SECONDS=240: what was left out is said.
# all: every file, in the analyzer's shallow mode, which follows short calls alone: 34 seconds where
# its deep mode takes 58, over four files.
set -eu
cd "$(dirname "$0")/../.."

what=${1:-changed}
preset=${2:-dev}
database=build/$preset/compile_commands.json
[ -f "$database" ] || { echo "tidy: no $database; configure it: cmake --preset $preset" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
known() { sed -n "s|^ *\"file\": \"$PWD/\(.*\)\".*|\1|p" "$database" | grep -v ^build/ | sort -u; }
# clang-tidy's own words for "in shallow mode".
shallow=
case $what in
  all)
    budget=86400
    shallow="--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=mode=shallow"
    since="the tree"
    known >"$work/files"
    ;;
  changed)
    budget=${TIDY_SECONDS:-240}
    base=
    for main in origin/main main; do
      base=$(git merge-base HEAD "$main" 2>/dev/null) && break
    done
    if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
      base=$(git rev-parse -q --verify HEAD~1) || { echo "tidy: the first commit; nothing to do"; exit 0; }
    fi
    since="what changed since $(git rev-parse --short "$base")"
    # A changed header is seen through the file beside it, or through its test. Generated files and
    # what this preset leaves out have no way to be compiled.
    git diff --name-only --diff-filter=d "$base" -- '*.cc' '*.h' | while read -r file; do
      case $file in
        *.cc) echo "$file" ;;
        *) for beside in "${file%.h}.cc" "${file%.h}_test.cc"; do
             [ ! -f "$beside" ] || { echo "$beside"; break; }
           done ;;
      esac
    done | sort -u >"$work/changed"
    known | comm -12 - "$work/changed" >"$work/files"
    ;;
  *)
    echo "tidy: '$what' is neither changed nor all" >&2
    exit 2
    ;;
esac
[ -s "$work/files" ] || { echo "tidy: no C++ file in $since"; exit 0; }

# The build is g++'s: clang takes its flags but for warnings and optimizations of g++ alone, some of
# which it does not know, and its precompiled headers are not clang's. A file that several programs
# compile is read once.
python3 - "$database" "$work/compile_commands.json" <<'END'
import json, re, sys
with open(sys.argv[1], encoding="utf-8") as file:
    commands = {row["file"]: row for row in json.load(file)}
for row in commands.values():
    row["command"] = re.sub(r"-include \S*cmake_pch\.hxx| -fno-tree-[a-z-]*", "", row["command"])
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(list(commands.values()), file)
END
end=$(($(date +%s) + budget))
xargs -P "$(nproc)" -I FILE sh -c '
  file=$1 work=$2 shallow=$4
  if [ "$(date +%s)" -ge "$3" ]; then echo "$file" >>"$work/late"; exit 0; fi
  # shellcheck disable=SC2086  # words, or none
  clang-tidy -quiet -p "$2" --extra-arg=-w --extra-arg=-Qunused-arguments $shallow "$file" \
    >"$work/out.$$" 2>"$work/err.$$" && exit 0
  cat "$work/out.$$"
  grep -q "warning:\|error:" "$work/out.$$" || cat "$work/err.$$" >&2
  echo "$file" >>"$work/bad"
' sh FILE "$work" "$end" "$shallow" <"$work/files"

count=$(wc -l <"$work/files")
if [ -s "$work/late" ]; then
  echo "tidy: $(wc -l <"$work/late") of $count files were left out after $budget s; \`make tidy\` looks at all" >&2
fi
if [ -s "$work/bad" ]; then
  echo "tidy: findings in $(wc -l <"$work/bad") of $count files:" $(sort "$work/bad")
  exit 1
fi
echo "tidy: no findings in $since ($count files)"
