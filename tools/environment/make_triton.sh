#!/bin/sh
# Makes the virtual environment build/triton with a tritonserver and its clients (some 100 MB) and
# prints the server's path, for TAMIS_TRITON.
set -eu
cd "$(dirname "$0")/../.."
tools/environment/make_environment.sh triton
find "$PWD/build/triton" -path '*/tritonserver/bin/tritonserver' | grep .
