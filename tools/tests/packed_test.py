"""packed.py gives back what it packed, and the same bytes each time."""

import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "generate" / "testdata"))
import packed  # noqa: E402


class Packed(unittest.TestCase):
    def test_gives_back_and_repeats(self):
        with tempfile.TemporaryDirectory() as name:
            folder, archive = pathlib.Path(name) / "files", pathlib.Path(name) / "packed.tar.xz"
            (folder / "b").mkdir(parents=True)
            (folder / "b/x.json").write_text("{}")
            (folder / "a.bin").write_bytes(bytes(range(256)))
            packed.pack(folder, archive)
            first = archive.read_bytes()
            os.utime(folder / "a.bin", (1, 1))
            (folder / "a.bin").chmod(0o600)
            packed.pack(folder, archive)
            self.assertEqual(archive.read_bytes(), first)
            with packed.edited(archive) as files:
                self.assertEqual((files / "b/x.json").read_text(), "{}")
                (files / "b/x.json").write_text("[]")
            self.assertNotEqual(archive.read_bytes(), first)
            with packed.edited(archive) as files:
                self.assertEqual((files / "b/x.json").read_text(), "[]")
                self.assertEqual((files / "a.bin").read_bytes(), bytes(range(256)))


if __name__ == "__main__":
    unittest.main()
