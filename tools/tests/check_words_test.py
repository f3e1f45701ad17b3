"""check_words finds British spelling, and leaves names alone."""

import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "check"))
import check_words  # noqa: E402


class Words(unittest.TestCase):
    def faults(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.md"
            path.write_text(text)
            with mock.patch.object(check_words, "SOURCE", Path(folder)):
                return check_words.faults_of(path)

    def test_finds_them_with_their_line(self):
        found = self.faults("fine\nIt normalises the Behaviour.\n")
        self.assertEqual(found, ['a.md:2: "normalises": normaliz...',
                                 'a.md:2: "Behaviour": behavior'])

    def test_leaves_names_and_american_words(self):
        self.assertEqual(self.faults("`optimise_scale` normalizes; https://a/colour\n"), [])


if __name__ == "__main__":
    unittest.main()
