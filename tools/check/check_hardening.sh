#!/bin/sh
# check_hardening.sh BUILD_FOLDER: holds a release's program against cmake/Hardening.cmake, and its
# kernel objects against having none of it.
set -eu

if [ $# -ne 1 ] || [ ! -x "$1/tamis" ]; then
  echo "usage: check_hardening.sh BUILD_FOLDER, with a program in it" >&2
  exit 2
fi
build=$1
program=$1/tamis
faults=0
# need WHAT COMMAND...: the command must succeed.
need() {
  what=$1
  shift
  if ! "$@" >/dev/null 2>&1; then
    echo "$program: $what"
    faults=$((faults + 1))
  fi
}
holds() { eval "$1" | grep -q "$2"; }

need "is not position-independent" holds "readelf -hW '$program'" 'Type:.*DYN'
need "has no read-only relocations" holds "readelf -lW '$program'" GNU_RELRO
need "binds symbols late" holds "readelf -dW '$program'" 'NOW'
need "has a stack that can be executed" holds "readelf -lW '$program'" 'GNU_STACK.* RW '
need "has no stack protector" holds "readelf -sW --dyn-syms '$program'" __stack_chk_fail
need "calls no checked library function" holds "readelf -sW --dyn-syms '$program'" '__[a-z]*_chk'
need "has no marked entry of main" \
  holds "objdump -d --no-show-raw-insn --disassemble=main '$program'" endbr64
for object in $(find "$build" -path '*kernels/cpu*' -name '*_avx*.cc.o' | sort); do
  if nm "$object" | grep -q __stack_chk_fail; then
    echo "$object: a kernel with a stack protector"
    faults=$((faults + 1))
  fi
done
echo "check_hardening: $faults faults"
[ "$faults" -eq 0 ]
