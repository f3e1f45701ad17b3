#!/bin/sh
# Installs the Debian packages that Tamis builds with. Idempotent: what is there is left alone, and
# when nothing lacks, nothing is contacted.
#
#   tools/environment/setup.sh [GROUP...]      default: build test
#
# Groups: build    compiler and libraries, and what fetches the model
#         test     the checks of `make test`
#         clients  virtual environments: `make clients`, `make web`, `make triton`, `make test-deploy`
#         spark    what Ray and Spark need in `make test-python`
#         deploy   what reads the files of deploy/ in `make test-deploy`
#         package  what `make package` needs
#         sanitize clang for `make fuzz`
#         tidy     clang-tidy for `make tidy` and for CI
#         arm      cross compiler and emulator for `make test-arm`
set -eu

# One package a row, with what needs it.
packages_of() {
  case "$1" in
    build) cat <<'LIST'
g++                 the compiler
libc6-dev           its C library headers
make                the front of this build
cmake               the build
ninja-build         the build
ccache              faster rebuilds
git                 the commit in `tamis --version`
pkg-config          finding oniguruma
libsimdjson-dev     reading JSON
libboost-dev        event loop of the server: Asio, headers only
libgrpc++-dev       gRPC of the server
libprotobuf-dev     its messages
protobuf-compiler   what generates them
protobuf-compiler-grpc  and its services
libonig-dev         regular expressions in tokenizer.json
libssl-dev          hashes of bundles
libcurl4-openssl-dev  downloading models by their id
zlib1g-dev          PyTorch's zip files
libgtest-dev        tests
libbenchmark-dev    kernel benchmarks
ca-certificates     fetching the model
python3             the tools of the build (never used at run time)
python3-pip         fetching the model
LIST
      ;;
    test) cat <<'LIST'
clang-format        the format check
mold                links the presets of developers and sanitizers faster
libmecab-dev        Japanese words
mecab-ipadic-utf8   their dictionary
python3-numpy       the tests of the Python package
LIST
      ;;
    clients) cat <<'LIST'
python3-venv        virtual environments
LIST
      ;;
    spark) cat <<'LIST'
openjdk-17-jre-headless  Java for Spark
iproute2            a network with loopback alone
LIST
      ;;
    deploy) cat <<'LIST'
nginx-light         two servers behind it
apache2-bin         HTTP framing is held against it and nginx
systemd             its check of a unit
LIST
      ;;
    package) cat <<'LIST'
dpkg-dev            dpkg-shlibdeps
file                what dpkg-shlibdeps asks
LIST
      ;;
    sanitize) cat <<'LIST'
clang               the compiler with libFuzzer
libclang-rt-dev     its runtime
LIST
      ;;
    tidy) cat <<'LIST'
clang               its own headers
clang-tidy          the lint
LIST
      ;;
    arm) cat <<'LIST'
g++-aarch64-linux-gnu   the compiler
qemu-user           runs what it makes
LIST
      ;;
    *)
      echo "setup: unknown group '$1'; known: build test clients spark deploy package sanitize tidy arm" >&2
      exit 2
      ;;
  esac
}

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

[ $# -gt 0 ] || set -- build test
if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not Debian or Ubuntu; install by hand what 'tools/environment/setup.sh' lists:" >&2
  for group in "$@"; do packages_of "$group" >&2; done
  exit 1
fi

missing=
for group in "$@"; do
  names=$(packages_of "$group" | cut -d ' ' -f 1)
  [ -n "$names" ] || exit 2
  for name in $names; do
    installed "$name" || missing="$missing $name"
  done
done
if [ -z "$missing" ]; then
  echo "setup: all packages for '$*' are installed" >&2
  exit 0
fi

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null; then
  as_root=sudo
else
  echo "setup: these packages lack, and there is neither root nor sudo to install them:$missing" >&2
  echo "setup: as root, run: apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

echo "setup: installing$missing" >&2
$as_root apt-get -q -q update >&2
# shellcheck disable=SC2086  # the list is meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -q -y install --no-install-recommends \
  $missing >&2
echo "setup: done" >&2
