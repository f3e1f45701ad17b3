# The front of the build. `make help` lists what there is; CMakePresets.json says how it is built.
.DEFAULT_GOAL := help
SHELL := /bin/sh

prefix ?= /usr/local
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 600
HOSTILE_FOLDERS ?= 100000
REF ?= main
# What stands on the arithmetic, and what stands below it.
ARM_TESTS = base math tensor tokenizer formats graph kernels_reference kernels_cpu engine \
            engines_cpu passes quant golden

.PHONY: help demo test test-arm test-deploy test-image test-web test-python model clients web setup release install package bench bench-peers bench-compare \
        check-cuda interop ort arrow triton wheel wheel-wide test-wide format asan tsan tidy fuzz hostile soak clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
	  while IFS='|' read -r name text; do printf '%-16s %s\n' "$$name" "$$text"; done

setup:  ## install the Debian packages that the build needs (root or sudo)
	tools/environment/setup.sh

model:  ## fetch the real MiniLM into build/models/minilm
	@tools/environment/setup.sh build
	tools/environment/fetch_model.sh

clients:  ## a virtual environment with the referees (PyTorch, transformers...) in build/clients
	tools/environment/make_environment.sh clients

web:  ## a virtual environment with what drives a browser and fuzzes /openapi.json in build/web
	tools/environment/make_environment.sh web

demo: model release  ## set up, fetch a real model, optimize it, find which sentences are alike
	cmake --build --preset release --target most_alike
	tools/run/demo.sh

test-web: release web  ## the page in a browser, /openapi.json under a fuzzer
	build/web/bin/python tests/web/web_test.py build/release/tamis

test-deploy: release  ## what deploy/ holds, and HTTP's framing stream by stream against nginx and Apache
	@tools/environment/setup.sh deploy
	tools/environment/make_environment.sh deploy
	TAMIS_PROGRAM=build/release/tamis build/deploy/bin/python tests/deploy/deploy_test.py
	TAMIS_PROGRAM=build/release/tamis build/deploy/bin/python tests/deploy/dashboard_test.py
	TAMIS_PROGRAM=build/release/tamis build/deploy/bin/python tests/deploy/chart_test.py
	tools/run/http_differential.py build/release/tamis

test-image:  ## the steps of deploy/Dockerfile in bare Debian trees, and its server asked (root, debootstrap)
	tools/environment/dockerfile_test.sh

test-python: setup clients  ## the PyTorch bridge, its demo, adapters, Ray and Spark, with their own packages
	@tools/environment/setup.sh spark
	cmake --preset dev
	cmake --build --preset dev --target tamis libtamis
	tests/python/full_test.sh build/dev build/clients/bin/python

test: setup  ## set up, build, and pass all tests and checks
	tools/run/make_test.sh dev

release:  ## the program users run: build/release/tamis
	@tools/environment/setup.sh build
	cmake --preset release
	cmake --build --preset release --target tamis
	@tools/check/check_hardening.sh build/release

test-arm:  ## the reference kernels on aarch64: units and goldens, cross-compiled, under qemu
	@tools/environment/setup.sh build test arm
	@tools/environment/make_arm.sh
	cmake --preset arm
	cmake --build --preset arm --target $(addsuffix _test,$(ARM_TESTS))
	tools/run/run_tests.sh "arm:^($$(echo $(ARM_TESTS) | tr ' ' '|'))_test$$"

asan: setup  ## all tests, fuzz corpora and a server under load, under AddressSanitizer and UBSan
	tools/run/make_test.sh asan
	tools/run/serve_storm.py build/asan

tsan: setup  ## the tests that start threads, and a server under load, under ThreadSanitizer
	cmake --preset tsan
	cmake --build --preset tsan --target thread_tests tamis tamis_load
	tools/run/run_tests.sh 'tsan:^(base|engines_cpu|model|optimize|api|serve(_[a-z]+)?|golden|soak)_test$$'
	tools/run/serve_storm.py build/tsan

tidy:  ## clang-tidy over the tree
	@tools/environment/setup.sh build test tidy
	cmake --preset dev
	cmake --build --preset dev --target tamis_proto
	tools/check/tidy.sh all dev

bench: model release  ## time the real model end to end, and every kernel
	build/release/tamis bench build/models/minilm --shape 1x16 --shape 1x128 --shape 32x128
	cmake --build --preset release --target kernels_bench
	build/release/src/kernels/cpu/kernels_bench

bench-peers: model release clients  ## time Tamis and the other engines in turns, into README.md and bench/RESULTS.md
	build/clients/bin/python bench/peers.py --tamis build/release/tamis --minilm build/models/minilm \
	  --shapes small --rounds 3 --engines torch-fp32,openvino-fp32,openvino-int8,ort-int8 \
	  --json bench/results/peers.json
	tools/generate/results.py

check-cuda:  ## hold registers, spills and instructions of the CUDA kernels to their table (nvcc, no GPU)
	@tools/environment/fetch_cuda_tools.sh >/dev/null || true
	tools/check/cuda/check_cuda.py || [ $$? -eq 77 ]

interop: release clients  ## hold exported ONNX files against onnx.checker and ONNX Runtime
	build/clients/bin/python tools/run/interop_onnx.py build/release/tamis
	build/clients/bin/python tools/run/interop_qdq.py build/release/tamis

ort:  ## fetch ONNX Runtime's shared library (20 MB) and hold the engine onnxruntime to this program's answers
	@tools/environment/setup.sh build test
	cmake --preset dev
	cmake --build --preset dev --target engines_onnxruntime_test model_test
	TAMIS_ORT=$$(tools/environment/fetch_ort.sh) && export TAMIS_ORT && \
	  build/dev/src/engines/onnxruntime/engines_onnxruntime_test && \
	  build/dev/src/model/model_test --gtest_filter='*OpaqueModel*:*OnnxRuntime*'

arrow:  ## fetch Arrow C++ (55 MB), build with it in build/arrow-dev and hold Parquet and Arrow files to pyarrow
	@tools/environment/setup.sh build test
	cmake --preset dev -B build/arrow-dev -DTAMIS_BENCHMARKS=OFF -DTAMIS_ARROW=on \
	  -DTAMIS_ARROW_ROOT=$$(tools/environment/fetch_arrow.sh)
	cmake --build build/arrow-dev --target tamis cli_test formats_test
	ctest --test-dir build/arrow-dev --output-on-failure -R '^tables_test$$'
	build/arrow-dev/src/formats/formats_test --gtest_filter='*Table*'
	build/arrow-dev/tests/cli/cli_test --gtest_filter='CliTables*:*CliTablesResume*'

triton: model  ## fetch a tritonserver (100 MB) and ONNX Runtime, and hold the backend and exported repositories in it
	@tools/environment/setup.sh build test
	cmake --preset dev
	cmake --build --preset dev --target tamis triton_tamis triton_onnxruntime
	TAMIS_TRITON=$$(tools/environment/make_triton.sh) && TAMIS_ORT=$$(tools/environment/fetch_ort.sh) && \
	  export TAMIS_TRITON TAMIS_ORT && build/triton/bin/python tests/triton/real_server_test.py

bench-compare: model  ## time this tree against commit REF=main in turns; exit 1 if a shape is over 5 % slower
	@tools/environment/setup.sh build
	bench/compare.py $(REF)

install:  ## the program, libtamis, Triton's backend, headers, CMake and pkg-config files, under prefix=/usr/local
	@tools/environment/setup.sh build
	cmake --preset release
	cmake --build --preset release --target tamis libtamis triton_tamis
	DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(prefix)

wheel: release  ## the Python packages in build/wheel, repaired by auditwheel where that is installed
	cmake --build --preset release --target libtamis
	tools/run/make_wheel.py build/release build/wheel
	cmake --preset release -B build/server -DTAMIS_GRPC=OFF -DTAMIS_TESTS=OFF -DTAMIS_BENCHMARKS=OFF
	cmake --build build/server --target tamis
	tools/run/make_wheel.py --server build/server build/wheel
	@if command -v auditwheel >/dev/null; then auditwheel repair -w build/wheel build/wheel/*-linux_x86_64.whl; fi

wheel-wide:  ## the Python package for glibc 2.28 (RHEL 8) in build/wheel, by the clang of ziglang (fetches 110 MB)
	tools/environment/make_wide.sh
	cmake --preset wide
	cmake --build --preset wide --target libtamis
	tools/run/make_wheel.py --licenses build/wide-root/licenses build/wide build/wide/wheel
	PATH=$$PWD/build/zig/bin:$$PATH auditwheel repair --plat manylinux_2_28_x86_64 -w build/wheel build/wide/wheel/*.whl

test-wide: wheel-wide  ## that wheel: its symbols, the package's tests over it here and in a bare Debian 11 (root, debootstrap)
	tools/environment/wide_wheel_test.sh build/wheel/tamis-*-manylinux*_2_28_x86_64.whl

package:  ## a Debian package in build/package, what it is made of (CycloneDX), their checksums
	@tools/environment/setup.sh build package
	cmake --preset release -DCMAKE_INSTALL_LIBDIR=lib
	cmake --build --preset release --target tamis libtamis triton_tamis
	cd build/release && cpack -B ../package
	tools/run/make_sbom.py --documented SECURITY.md build/package/tamis_*.deb

fuzz:  ## run each fuzz target for FUZZ_SECONDS=60
	@tools/environment/setup.sh build sanitize
	tools/run/fuzz.sh $(FUZZ_SECONDS)

hostile:  ## HOSTILE_FOLDERS=100000 mutated folders of each format to one answer, under the sanitizers
	@tools/environment/setup.sh build test sanitize
	cmake --preset asan
	cmake --build --preset asan --target hostile_authors
	build/asan/tests/hostile/hostile_authors all $(HOSTILE_FOLDERS)

soak: model  ## SOAK_SECONDS=600 of ragged batches, then load on a server that reloads: memory must stay flat; mistakes in CUDA kernels must be noticed
	@tools/environment/setup.sh build test
	cmake --preset release
	cmake --build --preset release --target tamis tamis_load soak_test
	TAMIS_SOAK_SECONDS=$(SOAK_SECONDS) build/release/tests/engines/soak_test
	tools/run/soak.py --build build/release
	cmake --preset dev
	cmake --build --preset dev --target kernels_cuda_test
	tools/run/mutate_cuda.py --build build/dev

format:  ## lay out every C++ file with clang-format
	@tools/environment/setup.sh test
	tools/check/check_format.sh --fix

clean:  ## remove what was built (build/models and build/clients stay)
	rm -rf build/dev build/release build/server build/bench build/asan build/tsan build/fuzz build/wide
