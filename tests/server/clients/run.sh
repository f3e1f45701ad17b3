#!/bin/sh
# Runs the tests of real clients with the environment of `make clients` ($TAMIS_CLIENTS, default
# build/clients); skipped (77) where it is not there.
set -eu
cd "$(dirname "$0")/../../.."
python=${TAMIS_CLIENTS:-build/clients}/bin/python
if ! "$python" -c 'import tritonclient.grpc, openai, cohere, huggingface_hub' 2>/dev/null; then
  echo "skipped: no clients at $python; run 'make clients' or set TAMIS_CLIENTS"
  exit 77
fi
exec "$python" tests/server/run.py clients "$@"
