"""The rules by which tamis.torch rewrites sources, on small ones, and its arithmetic; needs torch and
transformers, no model.

    TAMIS_LIBRARY=... TAMIS_TESTDATA=testdata PYTHONPATH=python python3 tests/python/test_torch_rules.py
"""

import ast
import json
import os
import textwrap
import unittest
from pathlib import Path

import numpy as np
import tamis
import torch

from tamis import torch as tq
from tamis.torch import _calibrators, _rewrite

TESTDATA = Path(os.environ["TAMIS_TESTDATA"])


def rewritten(source, **rules):
    return ast.unparse(tq.rewrite(textwrap.dedent(source), tq.Rules(**rules)))


def in_class(*body, maker="pass"):
    lines = "\n".join(f"                    {line}" for line in body)
    return f"""
            class Layer(nn.Module):
                def __init__(self):
                    {maker}
                def forward(self, a, b, c):
{lines}
            """


class Rewriting(unittest.TestCase):
    def test_m1_only_plain_calls_of_torch(self):
        source = in_class("x = torch.matmul(a, b)", "y = torch.bmm(a, b)", "z = torch.add(a, b)")
        text = rewritten(source)
        for line in ("torch.matmul(self.matmul_quantizer_0(a), self.matmul_quantizer_1(b))",
                     "torch.bmm(self.bmm_quantizer_2(a), self.bmm_quantizer_3(b))",
                     "torch.add(self.add_quantizer_4(a), self.add_quantizer_5(b))"):
            self.assertIn(line, text)
        left_alone = in_class("x = a @ b", "x = a.matmul(b)", "x = torch.einsum('ij,jk', a, b)",
                              "x = torch.baddbmm(a, b, c)", "x = matmul(a, b)")
        self.assertNotIn("quantizer", rewritten(left_alone))

    def test_m2_only_the_first_two_operands(self):
        text = rewritten(in_class("x = torch.add(a, b, alpha=c)"))
        self.assertIn("torch.add(self.add_quantizer_0(a), self.add_quantizer_1(b), alpha=c)", text)
        with self.assertRaisesRegex(tamis.InvalidArgument, "torch.matmul has its operands by name"):
            rewritten(in_class("x = torch.matmul(input=a, other=b)"))

    def test_m3_a2_norms_of_a_sum(self):
        for norm in ("self.LayerNorm", "self.sa_layer_norm", "self.block.full_layer_layer_norm"):
            text = rewritten(in_class(f"x = {norm}(a + b)"))
            self.assertIn(f"{norm}(self.layernorm_quantizer_0(a) + self.layernorm_quantizer_1(b))",
                          text)
        text = rewritten(in_class("x = self.LayerNorm(a + b + c)"))
        self.assertIn("self.layernorm_quantizer_0(a + b) + self.layernorm_quantizer_1(c)", text)
        for other in ("self.LayerNorm(a - b)", "self.LayerNorm(a)", "self.LayerNorm(a + b, c)",
                      "LayerNorm(a + b)", "self.dense(a + b)"):
            self.assertNotIn("quantizer", rewritten(in_class(f"x = {other}")), other)

    def test_m4_linear_layers(self):
        text = rewritten(in_class("return a", maker="self.x = nn.Linear(4, 2, bias=False)"))
        self.assertIn("self.x = quant_nn.QuantLinear(4, 2, bias=False)", text)
        self.assertNotIn("TensorQuantizer", text)
        self.assertIn("quant_nn", rewritten(in_class("return a", maker="self.x = torch.nn.Linear(4, 2)")))
        self.assertNotIn("quant_nn", rewritten(in_class("return a", maker="self.x = Linear(4, 2)")))

    def test_r1_r2_numbers_outer_first_one_count_a_class(self):
        text = rewritten(in_class("x = torch.matmul(torch.matmul(a, b), c)", "y = self.norm(a + x)"))
        self.assertIn("torch.matmul(self.matmul_quantizer_0(torch.matmul(self.matmul_quantizer_2(a), "
                      "self.matmul_quantizer_3(b))), self.matmul_quantizer_1(c))", text)
        self.assertIn("self.layernorm_quantizer_4(a) + self.layernorm_quantizer_5(x)", text)
        # At any depth: products of today's attention.
        text = rewritten(in_class("x = torch.matmul(a, b) * 2", "y = torch.matmul(x, c)"))
        self.assertIn("torch.matmul(self.matmul_quantizer_0(a), self.matmul_quantizer_1(b)) * 2", text)
        self.assertIn("torch.matmul(self.matmul_quantizer_2(x), self.matmul_quantizer_3(c))", text)

    def test_r4_quantizers_are_made_at_the_end_of_init(self):
        text = rewritten(in_class("return torch.matmul(a, b)", maker="self.x = 1"))
        self.assertIn("        self.x = 1\n"
                      "        self.matmul_quantizer_0 = quant_nn.TensorQuantizer()\n"
                      "        self.matmul_quantizer_1 = quant_nn.TensorQuantizer()\n", text)
        bare = """
            class Layer(Base):
                def forward(self, a, b):
                    return torch.matmul(a, b)
            """
        self.assertIn("def __init__(self, *args, **kwargs):\n        "
                      "super().__init__(*args, **kwargs)\n        self.matmul_quantizer_0", rewritten(bare))

    def test_a1_functions_of_the_module(self):
        source = """
            def attend(module, q, k, v):
                return torch.matmul(torch.softmax(torch.matmul(q, k), -1), v)

            class Attention(nn.Module):
                def __init__(self):
                    pass
                def forward(self, q, k, v):
                    return self.norm(pick(attend)(self, q, k, v) + q)

            class Other(nn.Module):
                def __init__(self):
                    pass
                def forward(self, x):
                    return self.norm(x + x)
            """
        text = rewritten(source)
        self.assertIn("module.matmul_quantizer_0(torch.softmax(torch.matmul(module.matmul_quantizer_2(q)",
                      text)
        attention, other = text.split("class Other")
        self.assertIn("self.layernorm_quantizer_4(pick", attention)
        self.assertIn("self.matmul_quantizer_3 = quant_nn.TensorQuantizer()", attention)
        self.assertIn("self.layernorm_quantizer_0(x)", other)
        self.assertNotIn("matmul", other)

    def test_a5_a_sum_and_then_its_norm(self):
        text = rewritten(in_class("x = a + b", "x = self.post_norm(x)", "return x"))
        self.assertIn("x = self.layernorm_quantizer_0(a) + self.layernorm_quantizer_1(b)", text)
        named = in_class("x = a + b", "y = self.norm(x).to(x)")
        self.assertIn("quantizer_1", rewritten(named, sums=("Layer.forward.x",)))
        for lines in (("x = a + b", "c = x", "x = self.norm(x)"), ("x = a + b", "y = self.norm(x)"),
                      ("x = a - b", "x = self.norm(x)"),
                      ("x = a + b", "x = x + self.mlp(self.norm(x))")):
            self.assertNotIn("quantizer", rewritten(in_class(*lines)))
        embeddings = in_class("x = a + b", "x = self.norm(x)").replace("Layer(", "WordEmbeddings(")
        self.assertNotIn("quantizer", rewritten(embeddings))

    def test_a6_the_last_sum_of_the_last_layer(self):
        source = """
            class Output(nn.Module):
                def __init__(self):
                    pass
                def forward(self, x, y):
                    x = self.dense(x)
                    x = x + y
                    return x

            class Encoder(nn.Module):
                def __init__(self):
                    self.layer = make()
            """
        text = rewritten(source, last={"Output": ("Encoder", "self.layer[-1].output")})
        self.assertIn("x = self.layernorm_quantizer_0(x) + self.layernorm_quantizer_1(y)", text)
        self.assertIn("self.layernorm_quantizer_1 = quant_nn.nn.Identity()", text)
        self.assertIn("self.layer[-1].output.layernorm_quantizer_1 = quant_nn.TensorQuantizer()", text)

    def test_what_is_left_alone(self):
        source = """
            class Layer(nn.Module):
                def __init__(self):
                    self.used = nn.Linear(4, 4)
                    self.spared = nn.Linear(4, 4)
                def bias(self, a):
                    return torch.matmul(self.used(a), a)
                def forward(self, a):
                    return torch.matmul(a, self.bias(a))
            """
        text = rewritten(source, leave=("Layer.bias", "Layer.spared"), plain={"Layer.bias": ("used",)})
        self.assertIn("self.used = quant_nn.QuantLinear", text)
        self.assertIn("self.spared = nn.Linear", text)
        self.assertIn("torch.matmul(self.used.plain(a), a)", text)
        self.assertIn("torch.matmul(self.matmul_quantizer_0(a), self.matmul_quantizer_1(self.bias(a)))", text)

    def test_what_is_kept_and_what_is_shared(self):
        source = """
            class Base(nn.Module):
                pass
            class Layer(Base):
                def __init__(self):
                    pass
                def bias(self, a, b, c):
                    return a @ b
                def forward(self, a, b):
                    return torch.matmul(a, b / 2) + self.bias(a, b, 3)
            """
        text = rewritten(source, keep=("Base",), shared={"Layer": {
            "bias": ("self.matmul_quantizer_0({})", "self.matmul_quantizer_1({}, 1.0)")}})
        self.assertNotIn("class Base", text)
        self.assertIn("self.bias(self.matmul_quantizer_0(a), self.matmul_quantizer_1(b, 1.0), 3)", text)
        self.assertEqual(text.count("= quant_nn.TensorQuantizer()"), 2)

    def test_lines_keep_their_numbers(self):
        source = textwrap.dedent(in_class("x = 1", "return torch.matmul(a, b)"))
        tree = tq.rewrite(source, tq.Rules())
        call = next(node for node in ast.walk(tree)
                    if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.matmul")
        self.assertIn("torch.matmul", source.splitlines()[call.lineno - 1])

    def test_the_list_of_patchers_is_open(self):
        source = in_class("x = torch.matmul(a, b)", "x = a @ b", "x = self.norm(a + b)")
        kept = list(_rewrite.PATCHERS)
        try:
            tq.PATCHERS[:] = [p for p in kept if not isinstance(p, tq.NormOfASum)]
            tq.PATCHERS.append(tq.MatrixProduct())
            text = rewritten(source)
        finally:
            tq.PATCHERS[:] = kept
        self.assertNotIn("layernorm", text)
        self.assertIn("self.matmul_quantizer_2(a) @ self.matmul_quantizer_3(b)", text)


class Arithmetic(unittest.TestCase):
    def test_the_unit_of_one_call(self):
        quantizer = tq.TensorQuantizer(unit=4.0)
        quantizer.set_range(torch.tensor(127.0))
        self.assertEqual(quantizer(torch.tensor([0.3, 0.5])).tolist(), [0.25, 0.5])
        self.assertEqual(quantizer(torch.tensor([0.3, 1.7]), 1.0).tolist(), [0.0, 2.0])

    def test_n2_levels(self):
        x = torch.tensor([0.5, 1.5, -2.5, 127.0, 200.0, -127.0, -200.0])
        levels = tq.fake_quantize(x, torch.tensor(127.0))
        self.assertEqual(levels.tolist(), [0, 2, -2, 127, 127, -127, -128])
        self.assertEqual(tq.fake_quantize(x, torch.tensor(2.0**-25)).tolist(), [0.0] * 7)
        rows = tq.fake_quantize(torch.tensor([[1.0, 0.4], [0.0, 0.0]]), torch.tensor([[1.0], [0.0]]))
        np.testing.assert_allclose(rows, [[1.0, 51 / 127], [0, 0]], rtol=1e-6)

    def test_n9_gradients_pass_inside_the_range_alone(self):
        x = torch.tensor([-2.0, -1.0, 0.3, 1.0, 1.5], requires_grad=True)
        (tq.fake_quantize(x, torch.tensor(1.0)) * torch.arange(1.0, 6.0)).sum().backward()
        self.assertEqual(x.grad.tolist(), [0, 2, 3, 4, 0])

    def test_n3_histogram_ranges_are_those_recorded(self):
        recorded = json.loads((TESTDATA / "quantizers" / "percentile.json").read_text())

        def values(seed, count, scale):
            state, out = seed, np.empty(count, np.float32)
            for i in range(count):
                state = (state * 1664525 + 1013904223) % 2**32
                u = np.float32(state >> 8) * np.float32(2.0**-24) - np.float32(0.5)
                out[i] = u * u * u * np.float32(scale)
            return torch.from_numpy(out)

        for case in recorded["cases"]:
            for percentile, amax in zip(recorded["percentiles"], case["amax"]):
                calibrator = _calibrators.make_calibrator("histogram", percentile, False)
                for batch in case["batches"]:
                    calibrator.collect(values(*batch))
                self.assertEqual(float(calibrator.amax()), amax)

    def test_other_ranges(self):
        most = _calibrators.make_calibrator("max", 100, False)
        most.collect(torch.tensor([1.0, -3.0]))
        most.collect(torch.tensor([2.0]))
        self.assertEqual(float(most.amax()), 3)
        rows = _calibrators.make_calibrator("mse", 99, True)  # of a weight: its maxima
        rows.collect(torch.tensor([[1.0, -2.0], [0.5, 0.0]]))
        self.assertEqual(rows.amax().tolist(), [[2.0], [0.5]])
        clipped = _calibrators.make_calibrator("mse", 99, False)
        generator = torch.Generator().manual_seed(0)
        clipped.collect(torch.cat([torch.randn(20000, generator=generator), torch.tensor([40.0])]))
        self.assertTrue(4 < float(clipped.amax()) < 40)
        self.assertIsNone(_calibrators.make_calibrator("histogram", 99, False).amax())
        for method, percentile in (("entropy", 99), ("max", 0), ("max", 101)):
            with self.assertRaises(tamis.InvalidArgument):
                _calibrators.make_calibrator(method, percentile, False)

    def test_zeros_first(self):
        calibrator = _calibrators.make_calibrator("histogram", 100, False)
        calibrator.collect(torch.zeros(10))
        self.assertEqual(float(calibrator.amax()), 0)
        calibrator.collect(torch.ones(10))
        self.assertGreater(float(calibrator.amax()), 0.99)

    def test_a_quantizer_without_a_range_is_off(self):
        quantizer = tq.TensorQuantizer()
        x = torch.tensor([0.123])
        self.assertIs(quantizer(x), x)
        with self.assertRaises(tamis.InvalidArgument):
            quantizer.enabled = True
        quantizer.set_range(torch.tensor(1.0))
        self.assertNotEqual(quantizer(x).item(), x.item())
        quantizer.enabled = False
        self.assertIs(quantizer(x), x)
        self.assertTrue(torch.isnan(quantizer.state_dict()["_amax"]))
        quantizer.enabled = True
        again = tq.TensorQuantizer()
        again.load_state_dict(quantizer.state_dict())
        self.assertTrue(again.enabled)

    def test_linear_layers_in_parts(self):
        torch.manual_seed(0)
        plain = torch.nn.Linear(6, 12)
        for heads in (0, 2):
            layer = tq.QuantLinear(6, 12)
            layer.split(("q", "k", "v"), heads)
            layer.load_state_dict(plain.state_dict())
            x = torch.randn(2, 5, 6)
            torch.testing.assert_close(layer(x), plain(x), rtol=0, atol=0)
            for part in (layer.q, layer.k, layer.v):
                part._input_quantizer.set_range(torch.tensor(50.0))
            rounded = tq.fake_quantize(x, torch.tensor(50.0))
            torch.testing.assert_close(layer(x), plain(rounded), rtol=1e-5, atol=1e-6)
            rows = layer.k.rows
            self.assertEqual(rows, [4, 5, 6, 7] if heads == 0 else [2, 3, 8, 9])
        with self.assertRaises(tamis.InvalidArgument):
            tq.QuantLinear(6, 10).split(("q", "k", "v"))


if __name__ == "__main__":
    unittest.main()
