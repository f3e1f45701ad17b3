"""bench/peers_gpu.py from end to end, dry, with a program that answers as tamis does."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import peers_gpu  # noqa: E402

TAMIS = f"""#!{sys.executable}
import json, sys
if sys.argv[1] == "inspect":
    print(json.dumps([{{"device": "cuda:0"}}]))
else:
    assert sys.argv[sys.argv.index("--device") + 1] == "cuda:0", sys.argv
    print(json.dumps({{"rows": [{{"longest": 16, "operations": 1e6, "median_ms": 2.0}}]}}))
"""
# Starts no library: what an engine that is not installed looks like.
PYTHON = "#!/bin/sh\ncase $1 in -c) echo '{}';; *) echo '{\"missing\": \"no torch\"}';; esac\n"


class DryRun(unittest.TestCase):
    def test_every_engine_has_times_or_a_reason(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for name, text in (("tamis", TAMIS), ("python", PYTHON)):
                (folder / name).write_text(text)
                os.chmod(folder / name, 0o755)
            done = subprocess.run(
                [sys.executable, str(ROOT / "bench" / "peers_gpu.py"), "--dry-run", "--device",
                 "cuda:0", "--tamis", str(folder / "tamis"), "--minilm", str(folder), "--python",
                 str(folder / "python"), "--cache", str(folder / "cache"), "--json",
                 str(folder / "gpu.json")], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            record = json.loads((folder / "gpu.json").read_text())
        self.assertTrue(record["dry_run"])
        self.assertEqual(record["missing"], {peers_gpu.STARTED: "no torch"})
        measured = {row["engine"] for row in record["rows"]}
        want = {*peers_gpu.ENGINES, "tamis-fp32", "tamis-bf16", "tamis-int8"} - {peers_gpu.STARTED}
        self.assertEqual(measured, want)
        self.assertIn("| minilm | 1x16 | torch-tf32 | 16.000 |", done.stdout)


if __name__ == "__main__":
    unittest.main()
