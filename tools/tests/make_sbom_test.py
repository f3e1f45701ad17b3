"""make_sbom.py finds what a small package of its own loads."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[1] / "run" / "make_sbom.py"
TOOLS = ("cc", "dpkg-deb", "dpkg-query", "readelf", "ldd")
LACKS = [name for name in TOOLS if shutil.which(name) is None]
CONTROL = """\
Package: small
Version: 1
Architecture: all
Maintainer: Nobody <nobody@localhost>
Description: A test's package
"""


def compiled(source, out, *options):
    subprocess.run(["cc", "-x", "c", "-", "-o", out, "-Wl,--no-as-needed", *options], check=True,
                   input=source, text=True)


def version_of(package):
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}\n", package], capture_output=True,
                          text=True, check=True).stdout.splitlines()[0]


@unittest.skipIf(LACKS, f"lacks {', '.join(LACKS)}")
class MakeSbom(unittest.TestCase):
    def setUp(self):
        name = tempfile.TemporaryDirectory()
        self.addCleanup(name.cleanup)
        self.folder = pathlib.Path(name.name)
        # A program that loads the package's own library, which loads zlib.
        tree = self.folder / "tree"
        for part in ("DEBIAN", "usr/bin", "usr/lib"):
            (tree / part).mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(CONTROL)
        (tree / "usr/lib/notes.txt").write_text("text")
        self.library, self.program = tree / "usr/lib/libown.so", tree / "usr/bin/own"
        compiled("int own(void) { return 0; }", self.library, "-shared", "-fPIC", "-lz")
        compiled("int own(void); int main(void) { return own(); }", self.program,
                 f"-L{self.library.parent}", "-lown")
        self.package = self.folder / "small_1_all.deb"
        self.pack()

    def pack(self):
        subprocess.run(["dpkg-deb", "--build", self.folder / "tree", self.package], check=True,
                       stdout=subprocess.DEVNULL)

    def run_tool(self, *options):
        return subprocess.run([sys.executable, str(TOOL), *options, str(self.package)],
                              capture_output=True, text=True, check=False)

    def read(self):
        return json.loads((self.folder / "small_1_all.cdx.json").read_text())

    def test_libraries_and_who_loads_them(self):
        done = self.run_tool()
        self.assertEqual(done.returncode, 0, done.stderr)
        found = self.read()
        rows = {row["name"]: row for row in found["components"]}
        self.assertIn("zlib1g", rows)
        self.assertIn("libc6", rows)
        for name, row in rows.items():
            self.assertEqual(row["version"], version_of(name))
            self.assertTrue(row["purl"].startswith(f"pkg:deb/debian/{name}@".replace("+", "%2B")))
            self.assertEqual(row["bom-ref"], row["purl"])
        edges = {row["ref"]: row["dependsOn"] for row in found["dependencies"]}
        own = found["metadata"]["component"]["bom-ref"]
        self.assertEqual(set(edges), {own, *(row["purl"] for row in rows.values())})
        self.assertIn(rows["zlib1g"]["purl"], edges[own])
        self.assertIn(rows["libc6"]["purl"], edges[rows["zlib1g"]["purl"]])
        files = {row["name"]: row["hashes"][0]["content"]
                 for row in found["metadata"]["component"]["components"]}
        self.assertEqual(files, {
            f"usr/{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (self.library, self.program)})

    def test_checksums(self):
        self.assertEqual(self.run_tool().returncode, 0)
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
                       cwd=self.folder, check=True)
        lines = (self.folder / "SHA256SUMS").read_text().splitlines()
        self.assertEqual([line.split("  ")[1] for line in lines],
                         ["small_1_all.deb", "small_1_all.cdx.json"])

    def test_the_same_bytes_again(self):
        texts = []
        for _ in range(2):
            self.assertEqual(self.run_tool().returncode, 0)
            texts.append((self.folder / "small_1_all.cdx.json").read_bytes())
        self.assertEqual(*texts)

    def test_what_the_document_lacks(self):
        document = self.folder / "SECURITY.md"
        document.write_text("| `libc6` | libgcc-s1 |")
        done = self.run_tool("--documented", str(document))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("does not name zlib1g", done.stderr)
        document.write_text("| `libc6` | `zlib1g` | `libgcc-s1` |")
        self.assertEqual(self.run_tool("--documented", str(document)).returncode, 0)

    def test_faults(self):
        self.library.unlink()
        self.pack()
        self.assertIn("libown.so is not found", self.run_tool().stderr)
        self.program.unlink()
        self.pack()
        self.assertIn("holds no program", self.run_tool().stderr)
        self.assertFalse((self.folder / "SHA256SUMS").exists())

    def test_a_library_of_no_package(self):
        stray = self.folder / "stray"
        stray.mkdir()
        compiled("int stray(void) { return 0; }", stray / "libstray.so", "-shared", "-fPIC")
        compiled("int stray(void); int main(void) { return stray(); }", self.program,
                 f"-L{stray}", "-lstray", f"-Wl,-rpath,{stray}")
        self.pack()
        self.assertIn("is of no Debian package", self.run_tool().stderr)


if __name__ == "__main__":
    unittest.main()
