#!/usr/bin/env bash
# Compiles the CUDA way without a GPU: nvcc and its headers come from PyPI. Takes some minutes.
# Usage: tools/check_cuda.sh
set -euo pipefail
cd "$(dirname "$0")/.."

CUDA=13.0
toolkit="${XDG_CACHE_HOME:-$HOME/.cache}/explaind-ci/cuda-$CUDA"
# The mark is set last, so that an installation that was cut off is made again.
if ! [ -e "$toolkit/installed" ]; then
  rm -rf "$toolkit"
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$toolkit" \
    "nvidia-cuda-nvcc==$CUDA.*" "nvidia-cuda-crt==$CUDA.*" "nvidia-cuda-runtime==$CUDA.*" \
    "nvidia-cuda-cccl==$CUDA.*" "nvidia-nvvm==$CUDA.*"
  touch "$toolkit/installed"
fi
export CUDA_HOME="$toolkit/nvidia/cu13"
export NVCC="$CUDA_HOME/bin/nvcc"
# Some build scripts ask for it by its name alone.
export PATH="$CUDA_HOME/bin:$PATH"
# Devices of 2020 and later.
export CUDA_COMPUTE_CAP=80
cargo check --locked --features cuda
