"""The arithmetic of bench/predict_gpu.py."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tools" / "check" / "cuda")]
import check_cuda  # noqa: E402
import predict_gpu as predict  # noqa: E402

TABLE = check_cuda.read_table(check_cuda.TABLE.read_text())
ROBERTA, MINILM_SHORT = predict.SHAPES[0], predict.SHAPES[3]
# A tile of 128 x 128 in warp tiles of 64 x 32; half the loop tensor instructions.
LARGE = predict.Kernel(128, 128, 64, 32, 1, .5, 20)
# The same by two warpgroups on wgmma.
HOPPER = predict.Kernel(128, 128, 64, 128, 1, .05, 20, True)


class Ceiling(unittest.TestCase):
    def test_cycles_of_a_step(self):
        tensor, instructions, shared = predict.cycles_a_step(predict.CARDS["RTX 3090"], LARGE)
        # 128 x 128 x 32 products by four schedulers of 256; 32 IMMA a scheduler, twice; eight warps
        # read 96 rows of 32 bytes, 256 rows are written.
        self.assertEqual((tensor, instructions, shared), (512, 64, 256))

    def test_cycles_of_a_step_on_wgmma(self):
        tensor, instructions, shared = predict.cycles_a_step(predict.CARDS["H200"], HOPPER)
        # Two warps a scheduler, each with one IGMMA among 20 instructions; two warpgroups read 192 rows
        # of 32 bytes, 256 rows are written.
        self.assertEqual((tensor, shared), (128, 160))
        self.assertAlmostEqual(instructions, 40)

    def test_hopper_multiplies_on_wgmma_from_257_rows_on(self):
        card = predict.CARDS["H200"]
        self.assertTrue(predict.kernel_of(card, 257, TABLE, predict.NOW).wgmma)
        self.assertFalse(predict.kernel_of(card, 256, TABLE, predict.NOW).wgmma)
        without = predict.NOW._replace(wgmma=False)
        self.assertFalse(predict.kernel_of(card, 257, TABLE, without).wgmma)
        self.assertFalse(predict.kernel_of(predict.CARDS["A100"], 257, TABLE, predict.NOW).wgmma)

    def test_what_limits_mma_sync_on_hopper_is_shared_memory(self):
        limit, which = predict.ceiling(predict.CARDS["H200"], LARGE, 1 << 20)
        self.assertEqual((limit, which), (.5, "shared memory"))

    def test_a_long_epilogue_limits_short_products(self):
        card = predict.CARDS["H200"]
        limit, which = predict.ceiling(card, LARGE._replace(epilogue=100), 384)
        self.assertEqual(which, "issue slots")
        self.assertAlmostEqual(limit, 12 * 128 / (12 * 64 + 12800))


class Prediction(unittest.TestCase):
    def test_a_leaner_loop_and_epilogue_never_cost(self):
        worse = {key: row._replace(tensor_share=(row.tensor_share or 0) / 9,
                                   epilogue=9 * (row.epilogue or 0))
                 for key, row in TABLE.items()}
        for card in predict.CARDS.values():
            for shape in predict.SHAPES:
                self.assertLessEqual(sum(predict.predict(card, shape, predict.NOW, TABLE)),
                                     sum(predict.predict(card, shape, predict.NOW, worse)))

    def test_only_the_inner_layer_pays_for_gelu(self):
        card = predict.CARDS["H200"]
        now = sum(predict.predict(card, ROBERTA, predict.NOW, TABLE))

        def with_epilogue(kernel):
            row = TABLE["90a", kernel]
            table = {**TABLE, ("90a", kernel): row._replace(epilogue=row.epilogue + 20)}
            return sum(predict.predict(card, ROBERTA, predict.NOW, table)) - now

        # Columns: 3072 with GELU against 2304 + 768 + 768 without.
        self.assertGreater(with_epilogue("gemm_s8_hopper_gelu"), 0)
        self.assertGreater(with_epilogue("gemm_s8_hopper"), 0)

    def test_each_fusion_saves_its_launches_at_batch_1(self):
        card = predict.CARDS["T4"]
        parts = predict.predict(card, MINILM_SHORT, predict.NOW._replace(tails=False), TABLE)
        fused = predict.predict(card, MINILM_SHORT, predict.NOW, TABLE)
        self.assertAlmostEqual(parts[3] - fused[3], 6 * 2 * card.gap_us * 1e-3)

    def test_what_moves_most_comes_first(self):
        changes = predict.what_moves_most(predict.CARDS["H200"], ROBERTA, TABLE)
        self.assertEqual(changes[0][1], "16-bit residual")
        self.assertNotIn("without wgmma", [name for _, name in changes])
        self.assertEqual([ms for ms, _ in changes], sorted((ms for ms, _ in changes), reverse=True))


if __name__ == "__main__":
    unittest.main()
