#!/bin/sh
# Checks and times the CUDA engine on this machine's card: bench/gpu_check.py, ended after ten
# minutes.
#
#   bench/gpu_check.sh build/release/tamis MODEL [MODEL ...] --output check.json
set -eu
exec timeout 600 python3 "$(dirname "$0")/gpu_check.py" "$@"
