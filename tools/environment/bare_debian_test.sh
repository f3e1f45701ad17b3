#!/bin/bash
# Runs `make demo` (or another target) in a bare Debian 12 tree, where nothing is installed but git
# and make: what works only on a developer's machine shows there. Needs root, debootstrap and a
# Debian mirror; the committed state of the checkout is what is tested.
#
#   tools/environment/bare_debian_test.sh [TARGET...]        default: demo
#
# DEBIAN_MIRROR  default: debootstrap's own
# BARE_FOLDER    default build/bare; base/ in it is kept for the next run, run/ is made anew
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || set -- demo
mirror=${DEBIAN_MIRROR:-}
folder=${BARE_FOLDER:-$PWD/build/bare}
base=$folder/base
run=$folder/run

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  echo "bare: needs root and the package debootstrap" >&2
  exit 1
fi

unmount() {
  for mounted in "$run/proc" "$run/dev/shm"; do
    if mountpoint -q "$mounted"; then umount "$mounted"; fi
  done
}
trap unmount EXIT
unmount

mkdir -p "$folder"
if [ ! -f "$base/complete" ]; then
  rm -rf "$base"
  # shellcheck disable=SC2086  # no mirror is no argument
  debootstrap --variant=minbase bookworm "$base" $mirror
  touch "$base/complete"
fi
rm -rf --one-file-system "$run"
cp -a --reflink=auto "$base" "$run"

# How this machine reaches its package sources; nothing else of it.
copy_in() {
  if [ -e "$1" ]; then
    mkdir -p "$run$(dirname "$1")"
    cp -rL "$1" "$run$1"
  fi
}
copy_in /etc/resolv.conf
copy_in /etc/hosts
copy_in /etc/pip.conf
for file in /etc/apt/apt.conf.d/*proxy* /etc/apt/apt.conf.d/*registry* /etc/apt/auth.conf; do
  copy_in "$file"
done
cp /etc/ssl/certs/ca-certificates.crt "$run/etc/host-ca.crt"

mount -t proc proc "$run/proc"
mount -t tmpfs tmpfs "$run/dev/shm"

inside() {
  chroot "$run" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PIP_CERT=/etc/host-ca.crt "$@" </dev/null
}
inside apt-get -q -q update
inside env DEBIAN_FRONTEND=noninteractive apt-get -q -q -y install --no-install-recommends git make \
  >/dev/null
git clone -q "$PWD" "$run/root/tamis"
chown -R 0:0 "$run/root/tamis"

for target in "$@"; do
  echo "bare: make $target"
  start=$(date +%s)
  inside make -C /root/tamis "$target"
  echo "bare: make $target took $(($(date +%s) - start)) s"
done
