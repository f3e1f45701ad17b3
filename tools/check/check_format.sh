#!/bin/sh
# Fails if a C++ file is not laid out as .clang-format says; with --fix, lays it out.
#
# Version 14 decides (Debian 12's): other versions lay out some constructs otherwise. Exit 77, which
# the tests count as skipped, where there is no version 14.
set -eu
cd "$(dirname "$0")/../.."

formatter=
for name in clang-format-14 clang-format; do
  if command -v "$name" >/dev/null && "$name" --version | grep -q 'version 14\.'; then
    formatter=$name
    break
  fi
done
if [ -z "$formatter" ]; then
  echo "check_format: no clang-format 14 here; tools/environment/setup.sh installs it on Debian 12"
  exit 77
fi

if [ "${1:-}" = --fix ]; then mode=-i; else mode="--dry-run -Werror --ferror-limit=1"; fi
# shellcheck disable=SC2086  # the mode may be two words
find include src tests fuzz examples integrations -name '*.h' -o -name '*.cc' 2>/dev/null | sort |
  xargs -r "$formatter" $mode
