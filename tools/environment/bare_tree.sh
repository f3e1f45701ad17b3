# shellcheck shell=bash
# Bare Debian trees, where nothing is installed but what a command asks for: sourced by
# bare_debian_test.sh, dockerfile_test.sh and wide_wheel_test.sh. Needs root, debootstrap and a Debian
# mirror.
#
# DEBIAN_MIRROR  default: debootstrap's own
# BARE_FOLDER    default build/bare; the bases in it are kept for the next run, other trees are made anew
bare_folder=${BARE_FOLDER:-$PWD/build/bare}
bare_base_tree=
bare_trees=()

bare_check() {
  if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "bare: needs root and the package debootstrap" >&2
    exit 1
  fi
}

bare_unmount() {
  local tree mounted
  for tree in "$@"; do
    for mounted in "$tree/proc" "$tree/dev/shm"; do
      if mountpoint -q "$mounted"; then umount "$mounted"; fi
    done
  done
}

# bare_base [SUITE]: what the trees begin with, Debian 12 or another release.
bare_base() {
  local base=$bare_folder/base${1:+-$1}
  bare_base_tree=$base
  mkdir -p "$bare_folder"
  if [ ! -f "$base/complete" ]; then
    rm -rf "$base"
    # shellcheck disable=SC2086  # no mirror is no argument
    debootstrap --variant=minbase "${1:-bookworm}" "$base" ${DEBIAN_MIRROR:-}
    touch "$base/complete"
  fi
}

# How this machine reaches its package sources; nothing else of it.
bare_copy_network() {
  local file
  for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/apt/apt.conf.d/*proxy* \
              /etc/apt/apt.conf.d/*registry* /etc/apt/auth.conf; do
    if [ -e "$file" ]; then
      mkdir -p "$1$(dirname "$file")"
      cp -rL "$file" "$1$file"
    fi
  done
  cp /etc/ssl/certs/ca-certificates.crt "$1/etc/host-ca.crt"
}

# bare_make NAME: a new tree, whose path is in $tree.
bare_make() {
  tree=$bare_folder/$1
  bare_unmount "$tree"
  rm -rf --one-file-system "$tree"
  cp -a --reflink=auto "$bare_base_tree" "$tree"
  bare_copy_network "$tree"
  mount -t proc proc "$tree/proc"
  mount -t tmpfs tmpfs "$tree/dev/shm"
  bare_trees+=("$tree")
}

# bare_inside TREE COMMAND...: runs it there as root.
bare_inside() {
  local tree=$1
  shift
  chroot "$tree" /usr/bin/env -i HOME=/root \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DEBIAN_FRONTEND=noninteractive PIP_CERT=/etc/host-ca.crt "$@" </dev/null
}
