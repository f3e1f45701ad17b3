#!/bin/sh
# check_kernels.sh BUILD_FOLDER [symbols]: holds the object code of per-ISA kernel files (*_avx*.cc.o, *_amx.cc.o) to two
# rules.
#
# 1. No weak symbols. A template or inline function outside an anonymous namespace is emitted weak in
#    every object that uses it; the linker keeps one of them, perhaps the AVX-512 one, for all.
# 2. No accumulator on the stack inside the loops of a product: an innermost loop with eight or more
#    multiply-adds stores no vector register relative to the stack or frame pointer. Functions named
#    finish_* come behind the product, an activation's polynomial may spill there.
#
# The second is of GCC, which releases are built with, and whose registers the tiles are cut for;
# with "symbols" it is not asked.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ] || [ ! -d "$1" ]; then
  echo "usage: check_kernels.sh BUILD_FOLDER [symbols]" >&2
  exit 2
fi

# Prints "function: loop at ADDRESS: N multiply-adds, STORE" for each offending loop.
find_spills() {
  objdump -d --no-show-raw-insn -C "$1" | awk '
    /^[0-9a-f]+ <.*>:$/ { finish(); name = $0; sub(/^[0-9a-f]+ /, "", name); count = 0; frame = 0; next }
    /^ *[0-9a-f]+:\t/ {
      address = $1; sub(/:/, "", address)
      text = $0; sub(/^[^\t]*\t/, "", text)
      place[address] = count; line[count] = text; at[count] = address; ++count
      if (text ~ /^mov +%rsp,%rbp/) frame = 1
    }
    END { finish(); exit bad }
    function finish(   i, j, target, first, last, inner, dots, store, pattern) {
      if (name ~ /::finish_/) count = 0
      last = -1  # the latest backward jump seen: a loop is innermost if none lies inside it
      pattern = frame ? "\\(%r[sb]p" : "\\(%rsp"
      for (i = 0; i < count; ++i) {
        if (line[i] !~ /^j[a-z]+ /) continue
        split(line[i], part, / +/)
        target = part[2]
        if (!(target in place) || place[target] > i) continue
        first = place[target]
        inner = last < first
        last = i
        if (!inner) continue
        dots = 0; store = ""
        for (j = first; j <= i; ++j) {
          if (line[j] ~ /^(vf(n)?madd[0-9]+ps|vpdpbusd|vdpbf16ps|vpmaddwd)/) ++dots
          if (line[j] ~ /^vmov[a-z0-9]+ +%[yz]mm[0-9]+,/ && line[j] ~ pattern) store = line[j]
        }
        if (dots >= 8 && store != "") {
          printf "  %s loop at %s: %d multiply-adds and %s\n", name, target, dots, store
          bad = 1
        }
      }
      for (i in place) delete place[i]
    }'
}

checked=0
failed=0
for object in $(find "$1" \( -name '*_avx*.cc.o' -o -name '*_amx.cc.o' \) | sort); do
  checked=$((checked + 1))
  weak=$(nm -C --defined-only "$object" | grep -E '^[0-9a-f]+ [WVu] ' | grep -v 'DW.ref.' || true)
  if [ -n "$weak" ]; then
    echo "$object: weak symbols:" && echo "$weak" && failed=1
  fi
  [ "${2:-}" = symbols ] && continue
  case $object in
    */gemm_* | */attention_*_avx512*) ;;
    *) continue ;;
  esac
  if ! spills=$(find_spills "$object"); then
    echo "$object: accumulators on the stack:" && echo "$spills" && failed=1
  fi
done
if [ "$checked" -eq 0 ]; then
  echo "check_kernels.sh: no object of a per-ISA kernel in $1" && exit 1
fi
spills="no spills"
[ "${2:-}" = symbols ] && spills="spills not asked for"
[ "$failed" -eq 0 ] && echo "check_kernels.sh: $checked per-ISA objects, no weak symbols, $spills"
exit "$failed"
