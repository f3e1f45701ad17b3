#!/bin/sh
# Unpacks Debian's arm64 libraries into build/arm-root for `make test-arm`. Nothing is installed: the
# packages that a cross build needs shut those of this machine out. Idempotent.
set -eu
cd "$(dirname "$0")/../.."

packages='libsimdjson-dev libsimdjson14 libonig-dev libonig5 libssl-dev libssl3 zlib1g-dev zlib1g
          libgtest-dev'
root=$PWD/build/arm-root
if [ -f "$root/complete" ]; then
  echo "arm: $root is there" >&2
  exit 0
fi
rm -rf "$root"
mkdir -p "$root/apt/lists/partial" "$root/apt/archives/partial"
touch "$root/apt/status"
apt() {
  apt-get -q -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
    -o Dir::State::lists="$root/apt/lists" -o Dir::State::status="$root/apt/status" \
    -o Dir::Cache="$root/apt" -o APT::Sandbox::User= "$@" >&2
}
apt update
cd "$root/apt/archives"
# shellcheck disable=SC2086  # a list
apt download $packages
for package in *.deb; do dpkg-deb -x "$package" "$root"; done
cd "$root"
rm -rf apt
touch complete
echo "arm: use $root" >&2
