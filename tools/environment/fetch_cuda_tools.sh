#!/bin/sh
# Fetches NVIDIA's disassembler (5 MB, from PyPI) into build/cuda_tools and prints its path, for
# tools/check/cuda/check_cuda.py. Idempotent. Nothing of Tamis is built with it.
set -eu
cd "$(dirname "$0")/../.."

version=13.5.37
tool=$PWD/build/cuda_tools/nvidia/cu13/bin/nvdisasm
if [ ! -x "$tool" ]; then
  rm -rf build/cuda_tools
  mkdir -p build/cuda_tools
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --dest build/cuda_tools "nvidia-cuda-nvdisasm==$version" >&2
  python3 -m zipfile -e build/cuda_tools/nvidia_cuda_nvdisasm-*.whl build/cuda_tools
  rm build/cuda_tools/nvidia_cuda_nvdisasm-*.whl
  chmod +x "$tool"
fi
echo "$tool"
