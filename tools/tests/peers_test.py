"""The pure parts of bench/peers.py."""

import importlib.util
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
spec = importlib.util.spec_from_file_location("peers", ROOT / "bench" / "peers.py")
peers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(peers)


PEAK = {"fp32_gflops": 200.0, "bf16_gflops": 0, "int8_gops": 800.0}


class Table(unittest.TestCase):
    def test_ratios_are_medians_over_tamis_medians(self):
        times = {"tamis-fp32": [2.0, 1.0, 3.0], "torch-fp32": [10.0, 8.0, 9.0]}
        outputs = {"torch-fp32": [1.0, 0.0]}
        # 2e8 operations in 2 ms are 100 GFLOP/s.
        text = peers.table([(("minilm", 1, 16, False), times, outputs, 2e8)], ["tamis-fp32"], PEAK)
        self.assertIn("| minilm | 1x16 | torch-fp32 | 9.000 | 8.000 | 22 % | 11 % | 4.50 | 1.00000 |", text)
        self.assertIn("| minilm | 1x16 | tamis-fp32 | 2.000 | 1.000 | 100 % | 50 % | 1.00 | - |", text)

    def test_a_wrong_output_shows(self):
        times = {"torch-fp32": [1.0], "ort-int8": [1.0]}
        outputs = {"torch-fp32": [1.0, 0.0], "ort-int8": [0.0, 1.0]}
        text = peers.table([(("minilm", 1, 16, True), times, outputs, 2e8)], [], PEAK)
        self.assertIn("| minilm | 1x16 ragged | ort-int8 | 1.000 | 1.000 | 0 % | 25 % |  | 0.00000 |", text)


    def test_without_a_peak_or_a_like_output_there_is_no_share_and_no_cosine(self):
        times = {"torch-bf16": [1.0], "ctranslate2-int8": [1.0]}
        outputs = {"torch-fp32": [1.0, 0.0], "torch-bf16": [1.0, 0.0],
                   "ctranslate2-int8": [1.0, 0.0, 0.0]}
        text = peers.table([(("roberta", 1, 16, False), times, outputs, 2e8)], [], PEAK)
        self.assertIn("| torch-bf16 | 1.000 | 1.000 | 0 % | - |  | 1.00000 |", text)
        self.assertIn("| ctranslate2-int8 | 1.000 | 1.000 | 0 % | 25 % |  | - |", text)


class Gpu(unittest.TestCase):
    def test_an_engine_without_a_peak_has_times_and_a_cosine(self):
        times = {"tamis-int8": [1.0], "torch-tf32": [3.0], "ort-fp16-tensorrt": [2.0]}
        outputs = {"torch-fp32": [1.0, 0.0], "torch-tf32": [1.0, 0.0]}
        text = peers.table([(("minilm", 1, 16, False), times, outputs, 2e8)], ["tamis-int8"], {})
        self.assertIn("| torch-tf32 | 3.000 | 3.000 | 0 % | - | 3.00 | 1.00000 |", text)
        self.assertIn("| ort-fp16-tensorrt | 2.000 | 2.000 | 0 % | - | 2.00 | - |", text)

    def test_an_engine_that_cannot_start_says_why(self):
        peer = peers.Peer(sys.executable, "no-such-engine", "folder", "cache", 1, "versions.py")
        self.assertFalse(peer.alive)
        self.assertEqual(peer.why, "it ended as it started")
        peer.close()


class Shapes(unittest.TestCase):
    def test_the_sweep_is_every_batch_with_every_length(self):
        self.assertEqual(len(set(peers.SHAPES["sweep"])), 15)

    def test_every_model_is_at_hand_or_can_be_made(self):
        models = {shape[0] for shapes in peers.SHAPES.values() for shape in shapes}
        self.assertEqual(models, {"minilm", *peers.RANDOM})

    def test_a_random_model_has_the_size_that_its_name_says(self):
        folders = [row[0] for row in peers.RANDOM.values()]
        self.assertEqual(len(set(folders)), len(folders))
        for name, made, config, fields in peers.RANDOM.values():
            self.assertEqual(made.removesuffix("ForSequenceClassification").removesuffix("Model"),
                             config.removesuffix("Config"), name)
            self.assertEqual("num_labels" in fields, "Classification" in made, name)


if __name__ == "__main__":
    unittest.main()
