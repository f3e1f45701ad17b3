#!/usr/bin/env python3
"""Writes what a Debian package of Tamis is made of beside it, as CycloneDX 1.5 (PACKAGE.cdx.json), and
the checksums of both (SHA256SUMS).

    tools/run/make_sbom.py [--documented SECURITY.md] PACKAGE.deb

The libraries are those that the package's own files load, found by reading the files, with the Debian
packages that hold them here. With --documented it fails where one that they load by themselves is not
named in that file, in `backticks`. The same package on the same system gives the same bytes.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import urllib.parse
import uuid
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
# What is compiled in from headers alone leaves no name in a file: such a header, and the library by
# which a file that was made with it is known (Asio: the server alone has TLS).
HEADERS = {Path("/usr/include/boost/asio.hpp"): "libssl.so.3"}


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def needed(path: Path) -> "list[str]":
    """The libraries that a file names itself."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "-dW", str(path)))


def loaded(binary: Path, own: "set[Path]") -> "dict[str, Path]":
    """Where the loader finds each library of a file, and those of the libraries."""
    paths = ":".join(sorted(str(path) for path in own))
    said = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True,
                          env={**os.environ, "LD_LIBRARY_PATH": paths}).stdout
    found = {}
    for line in said.splitlines():
        if line.endswith("not found"):
            sys.exit(f"make_sbom: {binary}: {line.split()[0]} is not found")
        match = re.match(r"\s+(?:(\S+) => )?(/\S+) \(", line)
        if match:  # the loader itself stands there by its path
            found[match.group(1) or Path(match.group(2)).name] = Path(match.group(2)).resolve()
    return found


def package_of(path: Path) -> str:
    """The Debian package of a file; its list may have it under /lib or under /usr/lib."""
    names = [str(path), str(path).removeprefix("/usr"), f"/usr{path}"]
    for name in names:
        done = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    sys.exit(f"make_sbom: {path} is of no Debian package")


class Bill:
    """Packages and which loads which; "tamis" is the package itself."""

    def __init__(self, root: Path) -> None:
        self.binaries = {str(path.relative_to(root)): path for path in sorted(root.rglob("*"))
                         if path.is_file() and not path.is_symlink() and is_elf(path)}
        self.own = {path.parent for path in self.binaries.values()}
        self.edges: "dict[str, set[str]]" = {"tamis": set()}
        self.linkage: "dict[str, str]" = {}
        self._packages: "dict[Path, str]" = {}
        for binary in self.binaries.values():
            self._add(binary)

    def _package(self, path: Path) -> str:
        if path.parent in self.own:
            return "tamis"
        if path not in self._packages:
            self._packages[path] = package_of(path)
        return self._packages[path]

    def _edge(self, package: str, other: str, linkage: str) -> None:
        if package != other and other != "tamis":
            self.edges.setdefault(package, set()).add(other)
            self.edges.setdefault(other, set())
            self.linkage.setdefault(other, linkage)

    def _add(self, binary: Path) -> None:
        paths = loaded(binary, self.own)
        for path in [binary, *paths.values()]:
            for name in needed(path):
                self._edge(self._package(path), self._package(paths[name]), "dynamic")
        for header, mark in HEADERS.items():
            if mark in needed(binary):
                self._edge("tamis", self._package(header), "headers")


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def facts(package: str) -> "dict[str, str]":
    form = "${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\t${source:Version}\\n"
    first = output("dpkg-query", "-W", "-f", form, package).splitlines()[0]
    return dict(zip(("name", "version", "arch", "source", "source_version"), first.split("\t")))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reference(package: "dict[str, str]", distribution: str) -> str:
    name, version = (urllib.parse.quote(package[key], safe="~") for key in ("name", "version"))
    return f"pkg:deb/debian/{name}@{version}?arch={package['arch']}&distro={distribution}"


def component(package: str, linkage: str, distribution: str) -> "dict[str, object]":
    row = facts(package)
    purl = reference(row, distribution)
    return {"type": "library", "bom-ref": purl, "name": package, "version": row["version"],
            "purl": purl, "properties": [
                {"name": "tamis:linkage", "value": linkage},
                {"name": "debian:source", "value": f"{row['source']} {row['source_version']}"}]}


def document(bill: Bill) -> "dict[str, object]":
    release = platform.freedesktop_os_release()
    distribution = f"{release['ID']}-{release.get('VERSION_ID', 'unstable')}"
    version = re.search(r"project\(tamis VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text())
    assert version is not None
    own = f"pkg:generic/tamis@{version.group(1)}"
    components = [component(package, bill.linkage[package], distribution)
                  for package in sorted(bill.linkage)]
    names = {"tamis": own, **{str(row["name"]): str(row["bom-ref"]) for row in components}}
    files = [{"type": "file", "name": name, "bom-ref": f"file:{name}",
              "hashes": [{"alg": "SHA-256", "content": sha256(path)}]}
             for name, path in bill.binaries.items()]
    found = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {
            "type": "application", "bom-ref": own, "name": "tamis", "version": version.group(1),
            "purl": own, "licenses": [{"license": {"id": "Apache-2.0"}}], "components": files}},
        "components": components,
        "dependencies": [{"ref": names[package], "dependsOn": sorted(names[each] for each in uses)}
                         for package, uses in sorted(bill.edges.items())],
    }
    name = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(found, sort_keys=True))
    return {"serialNumber": f"urn:uuid:{name}", **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documented", type=Path)
    parser.add_argument("package", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        subprocess.run(["dpkg-deb", "-x", str(given.package), str(root)], check=True)
        bill = Bill(root)
        if not bill.binaries:
            sys.exit(f"make_sbom: {given.package} holds no program and no library")
        if given.documented is not None:
            named = set(re.findall(r"`([^`]+)`", given.documented.read_text()))
            lacks = sorted(bill.edges["tamis"] - named)
            if lacks:
                sys.exit(f"make_sbom: {given.documented} does not name {', '.join(lacks)}")
        out = given.package.with_suffix(".cdx.json")
        out.write_text(json.dumps(document(bill), indent=1) + "\n")
    sums = "".join(f"{sha256(path)}  {path.name}\n" for path in (given.package, out))
    (given.package.parent / "SHA256SUMS").write_text(sums)
    print(f"{out}: {len(bill.binaries)} files, {len(bill.linkage)} packages")


if __name__ == "__main__":
    main()
