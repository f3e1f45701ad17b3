#!/bin/sh
# Prepares what `make wheel-wide` builds with: the virtual environment build/zig, and build/wide-root
# with a compiler for glibc 2.28 and the libraries that libtamis links, all static. Oniguruma and
# simdjson are built from Debian's sources, as Debian has no static ones; OpenSSL's and zlib's are
# Debian's own, and a symbol of theirs that glibc 2.28 lacks would not link. Idempotent.
#
# DEBIAN_MIRROR  where the sources come from; default: where this machine's packages come from
set -eu
cd "$(dirname "$0")/../.."

tools/environment/setup.sh build package
tools/environment/make_environment.sh zig
root=$PWD/build/wide-root
# Another list of packages is another compiler.
if cmp -s tools/environment/zig.txt "$root/complete"; then
  echo "wide: $root is there" >&2
  exit 0
fi
rm -rf "$root"
mkdir -p "$root/bin" "$root/include" "$root/lib" "$root/licenses"

zig=$(find "$PWD/build/zig" -path '*/ziglang/zig' | grep .)
for name in cc:clang c++:clang++; do
  cat >"$root/bin/${name#*:}" <<WRAPPER
#!/bin/sh
# UBSan's traps are on by default at -O0.
export ZIG_GLOBAL_CACHE_DIR="$PWD/build/zig/cache" ZIG_LOCAL_CACHE_DIR="$PWD/build/zig/cache"
exec "$zig" ${name%:*} -target x86_64-linux-gnu.2.28 -fno-sanitize=undefined "\$@"
WRAPPER
  chmod +x "$root/bin/${name#*:}"
done

# Debian's own static libraries; its headers without those of glibc.
cp -rL /usr/include/openssl /usr/include/zlib.h /usr/include/zconf.h "$root/include"
cp -rL /usr/include/x86_64-linux-gnu/openssl "$root/include"
cp -L /usr/lib/x86_64-linux-gnu/libcrypto.a /usr/lib/x86_64-linux-gnu/libz.a "$root/lib"
cp -L /usr/share/doc/libssl-dev/copyright "$root/licenses/openssl"
cp -L /usr/share/doc/zlib1g-dev/copyright "$root/licenses/zlib"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' |
  sed -n 's/^bookworm //p' | head -n 1)}
if [ -z "$mirror" ]; then
  echo "wide: no sources of Debian 12 are known to apt; name a mirror in DEBIAN_MIRROR" >&2
  exit 1
fi
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
  "$mirror bookworm main" >"$work/sources.list"
apt() {
  apt-get -q -q -o Dir::State::lists="$work/lists" -o Dir::Etc::sourcelist="$work/sources.list" \
    -o Dir::Etc::sourceparts=- -o Dir::Cache="$work" -o APT::Sandbox::User= "$@" >&2
}
apt update
(cd "$work" && apt source libonig simdjson)
for name in libonig simdjson; do
  source=$(echo "$work/$name"-[0-9]*)
  cmake -G Ninja -S "$source" -B "$work/$name" --toolchain "$PWD/cmake/Wide.cmake" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$root" -DCMAKE_INSTALL_LIBDIR=lib \
    -DBUILD_SHARED_LIBS=OFF -DBUILD_TEST=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DCMAKE_CXX_FLAGS=-march=x86_64_v2 -DCMAKE_C_FLAGS=-march=x86_64_v2 >&2
  cmake --build "$work/$name" >&2
  cmake --install "$work/$name" >&2
  cp "$source/debian/copyright" "$root/licenses/$name"
done
cp tools/environment/zig.txt "$root/complete"
echo "wide: use $root" >&2
