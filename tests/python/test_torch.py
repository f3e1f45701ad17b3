"""The PyTorch bridge on the tiny checkpoints of testdata, with the installed transformers.

    TAMIS_LIBRARY=... TAMIS_PROGRAM=... TAMIS_TESTDATA=testdata PYTHONPATH=python \\
        python3 tests/python/test_torch.py

TAMIS_SHARED, if it is set, adds a trained classifier.
"""

import copy
import gzip
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import tamis
import torch
import transformers

from tamis import torch as tq
from tamis.torch._calibrators import PercentileCalibrator

TESTDATA = Path(os.environ["TAMIS_TESTDATA"]).resolve()
PROGRAM = os.environ["TAMIS_PROGRAM"]


def type_of(folder):
    return json.loads((folder / "config.json").read_text())["model_type"]


# Those whose sources are rewritten; transformers has no class for NeoBERT, JinaBERT (whose type is
# BERT's) and NomicBERT's experts, none of its classes has positions by distance any more, and a model of
# choices takes batches of another rank than the rest.
MODELS = sorted(
    folder.name for folder in (TESTDATA / "models").iterdir()
    if folder.name != "variants" and type_of(folder) in tq.known_families()
    and not folder.name.startswith(("jina_bert-", "jina_code-")) and "-relative-key" not in folder.name
    and "-experts" not in folder.name
    and not folder.name.endswith("-multiple-choice"))

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def folder_of(name):
    return TESTDATA / "models" / name


def plain(name):
    """The class as it is, eager."""
    config = transformers.AutoConfig.from_pretrained(folder_of(name))
    made = getattr(transformers, config.architectures[0])
    made = made.from_pretrained(folder_of(name), attn_implementation="eager", dtype=torch.float32)
    return without_cache(made.eval())


def without_cache(model):
    """Decoders would give their keys and values, too."""
    model.config.use_cache = False
    return model


def batches(name):
    """Token ids of golden.json.gz, a text at a time."""
    golden = json.loads(gzip.decompress((folder_of(name) / "golden.json.gz").read_bytes()))
    found = []
    for case in golden["cases"]:
        if not case["input_ids"]:
            continue
        batch = {"input_ids": torch.tensor([case["input_ids"]])}
        if "token_type_ids" in case:
            batch["token_type_ids"] = torch.tensor([case["token_type_ids"]])
        found.append(batch)
    return found


def names_of_tamis(folder):
    out = subprocess.run([PROGRAM, "inspect", folder, "--quantizers"], capture_output=True, text=True,
                         check=True).stdout
    return {line.split()[-1] for line in out.splitlines()}


def copy_tokenizer(name, folder):
    for path in folder_of(name).iterdir():
        made_by_save = ("model.safetensors", "config.json", "golden.json.gz", "pipelines.json.gz")
        if path.name not in made_by_save:
            shutil.copy(path, folder)


class Names(unittest.TestCase):
    def test_equal_to_those_of_inspect(self):
        for name in MODELS:
            with self.subTest(name):
                ours = set(tq.quantizers(tq.load(folder_of(name))))
                theirs = names_of_tamis(folder_of(name))
                self.assertEqual(theirs - ours, set())
                # Poolers that an embedding never reads are in the class alone.
                self.assertTrue(all(".pooler." in n for n in ours - theirs), ours - theirs)

    def test_every_family_that_transformers_has(self):
        source = (TESTDATA.parent / "src" / "models" / "families.inc").read_text()
        native = set(re.findall(r'^X\("([^"]+)"', source, re.MULTILINE))
        known = set(tq.known_families())
        self.assertEqual(known - native, set())
        # Longformer's products stand in chunks of windows, BigBird's in blocks of keys.
        self.assertEqual([name for name in native - known - {"big_bird", "longformer"}
                          if name in transformers.models.auto.CONFIG_MAPPING], [])

    def test_roberta_base_has_244(self):
        config = transformers.RobertaConfig(
            hidden_size=16, num_attention_heads=2, intermediate_size=16, vocab_size=50, num_labels=3)
        with tq.patched(*tq.families_of("roberta")):
            model = transformers.RobertaForSequenceClassification(config)
        names = list(tq.quantizers(model))
        self.assertEqual(len(names), 244)
        self.assertEqual(sum(n.endswith("._weight_quantizer") for n in names), 74)
        self.assertIn("roberta.encoder.layer.3.output.layernorm_quantizer_1", names)


class Patching(unittest.TestCase):
    def test_everything_is_put_back(self):
        import transformers.models.bert.modeling_bert as module

        package = sys.modules["transformers.models.bert"]
        before = (module, transformers.BertModel, package.BertModel)
        states = [dict(vars(owner)) for owner in (module, package, transformers)]
        with tq.patched():
            self.assertIsNot(transformers.BertModel, before[1])
            self.assertIsNot(sys.modules[module.__name__], module)
            inside = transformers.AutoModel.from_config(
                transformers.BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1,
                                        intermediate_size=8, vocab_size=9))
            self.assertTrue(tq.quantizers(inside))
        self.assertIs(sys.modules[module.__name__], before[0])
        self.assertIs(transformers.BertModel, before[1])
        self.assertIs(package.BertModel, before[2])
        for owner, state in zip((module, package, transformers), states):
            after = dict(vars(owner))
            for key, value in state.items():
                self.assertIs(after[key], value, key)
            for key in after.keys() - state.keys():  # loaded meanwhile, none of ours
                self.assertFalse(hasattr(after[key], "quant_nn"), key)
        made = transformers.AutoModel.from_config(inside.config)
        with self.assertRaisesRegex(tamis.InvalidArgument, "has no quantizers"):
            tq.quantizers(made)
        self.assertTrue(tq.quantizers(inside), "a model keeps its quantizers")

    def test_twice_does_not_wrap_twice(self):
        first = set(tq.quantizers(tq.load(folder_of("bert-base"))))
        with tq.patched():
            with tq.patched():
                self.assertEqual(set(tq.quantizers(tq.load(folder_of("bert-base")))), first)
        self.assertEqual(set(tq.quantizers(tq.load(folder_of("bert-base")))), first)

    def test_an_error_inside_puts_back_too(self):
        before = transformers.BertModel
        with self.assertRaises(RuntimeError), tq.patched():
            raise RuntimeError
        self.assertIs(transformers.BertModel, before)

    def test_modules_that_are_first_imported_within_keep_plain_classes(self):
        # Of an interpreter that has not loaded them: they are made of modules that are replaced.
        for name in ("dpr-base", "qwen3-token-classification"):
            code = ("import sys, transformers, tamis.torch as tq\n"
                    "tq.load(sys.argv[1])\n"
                    "config = transformers.AutoConfig.from_pretrained(sys.argv[1])\n"
                    "made = getattr(transformers, config.architectures[0])(config)\n"
                    "sys.exit(any(isinstance(m, tq.TensorQuantizer) for m in made.modules()))")
            with self.subTest(name):
                subprocess.run([sys.executable, "-c", code, folder_of(name)], check=True)

    def test_classes_that_are_kept(self):
        with tq.patched(*tq.families_of("llama")):
            model = transformers.AutoModel.from_pretrained(folder_of("llama-base"))
        self.assertIsInstance(model.layers[0], transformers.GradientCheckpointingLayer)
        model.gradient_checkpointing_enable()
        self.assertTrue(model.layers[0].gradient_checkpointing)

    def test_unknown_families(self):
        with self.assertRaisesRegex(tamis.Unsupported, "accepted are albert"):
            tq.families_of("gpt2")
        with self.assertRaises(tamis.NotFound):
            with tq.patched(tq.Family("transformers.models.no_such.modeling", tq.Rules()),
                            skip_missing=False):
                pass


class Outputs(unittest.TestCase):
    def test_bit_equal_while_quantizers_are_off(self):
        for name in MODELS:
            with self.subTest(name), torch.no_grad():
                ours, theirs = without_cache(tq.load(folder_of(name))), plain(name)
                for batch in batches(name)[:3]:
                    for left, right in zip(ours(**batch).to_tuple(), theirs(**batch).to_tuple()):
                        self.assertTrue(torch.equal(left, right))

    def test_a_live_model(self):
        # A copy, as the products of weights that lie in a file round otherwise where that is unaligned.
        theirs = copy.deepcopy(plain("distilbert-sequence-classification"))
        ours = tq.insert(theirs)
        batch = batches("distilbert-sequence-classification")[0]
        with torch.no_grad():
            self.assertTrue(torch.equal(ours(**batch)[0], theirs(**batch)[0]))
        with self.assertRaises(tamis.Unsupported):
            tq.insert(torch.nn.Linear(2, 2))

    def test_a_live_model_in_half_precision(self):
        # Angles that are no part of a state, and weights that transformers keeps in float32.
        for name in ("gemma3_text-base", "t5-base"):
            for dtype in (torch.bfloat16, torch.float16):
                model_class = getattr(transformers, tq.load(folder_of(name)).__class__.__name__)
                theirs = copy.deepcopy(model_class.from_pretrained(
                    folder_of(name), attn_implementation="eager", dtype=dtype).eval())
                theirs.config.use_cache = False
                next(theirs.parameters()).requires_grad_(False)
                ours = tq.insert(theirs)
                self.assertFalse(next(ours.parameters()).requires_grad)
                for batch in batches(name):
                    with torch.no_grad():
                        self.assertTrue(torch.equal(ours(**batch)[0], theirs(**batch)[0]), (name, dtype))


class Calibration(unittest.TestCase):
    def test_counts_above_what_float32_holds(self):
        # torch.histc counts in float32, where 2^24 + 1 is 2^24.
        found = PercentileCalibrator(99.99)
        values = torch.zeros((1 << 24) + 1000)
        values[-1] = 1
        found.collect(values)
        self.assertEqual(found.counts[0].item(), values.numel() - 1)
        self.assertEqual(found.counts.sum().item(), values.numel())

    def test_a_first_batch_of_small_values(self):
        found = PercentileCalibrator(100)
        found.collect(torch.tensor([1.0, 0.5, 0.25]))
        found.collect(torch.tensor([4096.0, 1024.25]))
        self.assertEqual(found.counts.numel(), 1 << 20)
        self.assertEqual(found.edges[1].item(), 1 / 256)
        self.assertEqual([found.counts[i].item() for i in (64, 128, 255, 1024 * 256 + 64, -1)], [1] * 5)
        self.assertEqual(found.amax().item(), 4096 - 1 / 256)

    def test_layers_of_both_sides(self):
        from tamis.torch._measure import _layer_of

        for name, layer in (("encoder.block.3.layer.1.DenseReluDense.wi._input_quantizer", "layer 3"),
                            ("model.decoder.layers.2.fc1._input_quantizer", "decoder layer 2"),
                            ("model.encoder.layers.2.fc1._input_quantizer", "layer 2"),
                            ("bert.encoder.layer.0.output.dense._input_quantizer", "layer 0"),
                            ("classifier._input_quantizer", "outside the layers")):
            self.assertEqual(_layer_of(name), layer)

    def test_attention_that_reaches_no_quantizer(self):
        name = "bert-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)[:1]
        tq.calibrate(model, data)
        model.set_attn_implementation("sdpa")
        with tempfile.TemporaryDirectory() as folder:
            for use in (lambda: tq.logits_of(model, data), lambda: tq.sensitivity(model, data, by="operator"),
                        lambda: tq.export_onnx(model, Path(folder) / "m.onnx", data[0])):
                with self.assertRaisesRegex(tamis.Unsupported, "sdpa"):
                    use()
            self.assertEqual(os.listdir(folder), [])
        with tq.only(model):  # all of them off
            self.assertEqual(len(tq.logits_of(model, data)), 1)

    def test_values_that_are_not_finite(self):
        name = "bert-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)
        for method in ("max", "mse", "histogram"):
            tq.calibrate(model, data, method=method)
            clean = tq.quantizers(model)["classifier._input_quantizer"].amax.item()
            weight = model.classifier.weight.data.clone()
            with tq.calibrating(model, method) as silent, torch.no_grad():
                for batch in data:
                    model(**batch)
                model(inputs_embeds=torch.full((1, 3, model.config.hidden_size), math.nan))
            self.assertEqual(silent, [], method)
            self.assertEqual(tq.quantizers(model)["classifier._input_quantizer"].amax.item(), clean, method)
            model.classifier.weight.data[0, 0] = math.inf
            self.assertEqual(tq.calibrate(model, data, method=method), ["classifier._weight_quantizer"])
            model.classifier.weight.data.copy_(weight)

    def test_methods_switches_and_states(self):
        name = "bert-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)
        reference = tq.float_logits(model, data)
        self.assertFalse(any(q.enabled for q in tq.quantizers(model).values()))
        ranges = {}
        for method in ("max", "mse", "histogram"):
            self.assertEqual(tq.calibrate(model, data, method=method), [])
            self.assertTrue(all(q.enabled for q in tq.quantizers(model).values()))
            ranges[method] = tq.quantizers(model)["classifier._input_quantizer"].amax.item()
        self.assertLessEqual(ranges["histogram"], ranges["max"])
        loss = tq.agreement(reference, tq.logits_of(model, data))
        self.assertGreater(loss.kl, 0)
        with tq.only(model):
            self.assertEqual(tq.agreement(reference, tq.logits_of(model, data)).kl, 0)
        with tq.only(model, "*.layer.1.*"):
            on = [n for n, q in tq.quantizers(model).items() if q.enabled]
        self.assertEqual(len(on), 20)
        tq.disable(model, "*layernorm_quantizer*", "classifier.*")
        self.assertEqual(sum(q.enabled for q in tq.quantizers(model).values()), 44 - 8 - 2)
        tq.enable(model, "encoder.layer.0.output.layernorm_quantizer_1")  # without its first part
        self.assertEqual(sum(q.enabled for q in tq.quantizers(model).values()), 44 - 8 - 2 + 1)
        with self.assertRaisesRegex(tamis.InvalidArgument, 'matches nothing; near names are '):
            tq.disable(model, "*layernom*")

    def test_weights_have_a_range_for_each_row(self):
        name = "bert-base"
        model = tq.load(folder_of(name))
        tq.calibrate(model, batches(name)[:1])
        layer = model.encoder.layer[0].intermediate.dense
        torch.testing.assert_close(layer._weight_quantizer.amax[:, 0], layer.weight.abs().amax(1),
                                   rtol=0, atol=0)

    def test_what_saw_nothing_stays_off(self):
        name = "bert-base"
        model = tq.load(folder_of(name), kind="BertForMaskedLM")
        with tq.calibrating(model) as silent, torch.no_grad():
            model.bert(**batches(name)[0])
        self.assertIn("cls.predictions.decoder._input_quantizer", silent)
        with self.assertRaisesRegex(tamis.InvalidArgument, "cls.predictions.decoder._input_quantizer: "):
            tq.enable(model, "cls.predictions.decoder._input_quantizer")

    def test_an_error_leaves_ranges_as_they_were(self):
        name = "bert-base"
        model = tq.load(folder_of(name))
        with self.assertRaises(RuntimeError), tq.calibrating(model):
            raise RuntimeError
        self.assertFalse(any(q.enabled or q.calibrator for q in tq.quantizers(model).values()))
        with self.assertRaisesRegex(tamis.InvalidArgument, "no batches"):
            tq.calibrate(model, [])

    def test_other_attention_is_refused(self):
        with tq.patched(*tq.families_of("bert")):
            model = transformers.BertModel.from_pretrained(folder_of("bert-base"))
        with self.assertRaisesRegex(tamis.Unsupported, 'attn_implementation="sdpa"'):
            tq.calibrate(model, batches("bert-base"))

    def test_batches_have_no_padding(self):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder_of("bert-base"))
        made = tq.batches(tokenizer, ["a", "b c d e", "c", ("a", "b")], batch_size=2)
        self.assertEqual(sum(len(batch["input_ids"]) for batch in made), 4)
        self.assertTrue(all(bool(batch["attention_mask"].all()) for batch in made))

    def test_sensitivity(self):
        name = "roberta-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)
        tq.calibrate(model, data, method="max")
        layers = tq.sensitivity(model, data)
        self.assertEqual({row.name for row in layers}, {"layer 0", "layer 1", "outside the layers"})
        self.assertEqual(sum(row.quantizers for row in layers), 44)
        losses = [row.agreement.kl for row in layers]
        self.assertEqual(losses, sorted(losses, reverse=True))
        self.assertEqual({row.name for row in tq.sensitivity(model, data, by="operator")},
                         {"linear", "matmul", "layernorm"})
        self.assertTrue(all(q.enabled for q in tq.quantizers(model).values()))


class Files(unittest.TestCase):
    def test_ranges_come_back(self):
        name = "albert-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)
        tq.calibrate(model, data)
        tq.disable(model, "*matmul*")
        with tempfile.TemporaryDirectory() as folder:
            tq.save(model, folder)
            again = tq.load(folder)
            for key, quantizer in tq.quantizers(model).items():
                other = tq.quantizers(again)[key]
                self.assertEqual(other.enabled, quantizer.enabled, key)
                if quantizer.enabled:
                    self.assertTrue(torch.equal(other.amax, quantizer.amax), key)
            for left, right in zip(tq.logits_of(model, data), tq.logits_of(again, data)):
                self.assertTrue(torch.equal(left, right))

    def test_several_files(self):
        name = "bert-base"
        model, data = tq.load(folder_of(name)), batches(name)[:1]
        tq.calibrate(model, data)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder, max_shard_size="20KB")
            self.assertTrue((Path(folder) / "model.safetensors.index.json").is_file())
            tq._save._add_tensors(Path(folder), {"a.b._amax": torch.tensor(1.0)})
            index = json.loads((Path(folder) / "model.safetensors.index.json").read_text())
            self.assertEqual(index["weight_map"]["a.b._amax"], "model-ranges.safetensors")

    def test_tamis_simulates_what_torch_computes(self):
        def is_pooled(name):
            return name.endswith(("-base", "-context", "-groups", "-mean"))

        headed = {type_of(folder_of(name)) for name in MODELS
                  if not is_pooled(name) and not name.endswith("masked-lm")}
        for name in MODELS:
            of_masks = name.endswith("masked-lm")
            if of_masks or (is_pooled(name) and type_of(folder_of(name)) in headed
                            and not name.startswith("t5")):
                continue  # outputs of masks alone; or pooled, and the layers are those of others
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                self.compare_with_tamis(name, Path(folder))

    def compare_with_tamis(self, name, folder):
        model, data = tq.load(folder_of(name)), batches(name)
        self.assertEqual(tq.calibrate(model, data, method="max"), [])
        expected = tq.logits_of(model, data)
        moved = max(float((a - b).abs().max())
                    for a, b in zip(tq.float_logits(model, data), expected))
        checkpoint, bundle = folder / "checkpoint", folder / "bundle"
        tq.save(model, checkpoint)
        copy_tokenizer(name, checkpoint)
        tamis.optimize(checkpoint, bundle, precision="int8", scheme="static", seconds=1e-3, threads=1)
        record = json.loads((bundle / "quantization.json").read_text())["quantizers"]
        self.assertEqual(sum(row["enabled"] for row in record), len(record))
        native = tamis.Model(bundle, threads=1)
        # A value that lies on the middle between two steps, but for what float32 rounds, may fall on
        # either side; sums in float64 leave no such doubt on PyTorch's, or show that it is one.
        exact = tq.load(checkpoint).double()
        precise = tq.logits_of(exact, data)
        distances, doubtful = [], 0
        for batch, *answers in zip(data, expected, precise):
            types = batch.get("token_type_ids")
            rows = native.run([batch["input_ids"][0].tolist()],
                              type_ids=None if types is None else [types[0].tolist()])
            single, double = (self.distance(rows, logits, "question" in name) for logits in answers)
            doubtful += single > 1e-4
            if min(single, double) > 1e-4:
                self.assertLess(self.nearest_tie(exact, batch), 1e-6)
            else:
                distances.append(min(single, double))
        self.assertLessEqual(doubtful, 1)
        self.assertGreater(moved, 10 * max(distances), "rounding must show")

    @staticmethod
    def nearest_tie(model, batch):
        """How far the nearest value that an activation's quantizer reads is from the middle between
        two steps, in steps."""
        nearest = [math.inf]

        def look(module, args):
            steps = args[0] * 127 / module.amax
            nearest.append(float((steps - steps.floor() - 0.5).abs().min()))

        hooks = [module.register_forward_pre_hook(look) for name, module in model.named_modules()
                 if isinstance(module, tq.TensorQuantizer) and not name.endswith("_weight_quantizer")]
        tq.logits_of(model, [batch])
        for hook in hooks:
            hook.remove()
        return min(nearest)

    @staticmethod
    def distance(rows, logits, of_answers):
        logits = logits[0].T if of_answers else logits  # start and end of each token
        if len(rows) == 1 and logits.ndim == 3:  # an embedding: the mean of the tokens
            logits = logits[0].mean(0)
        return float(np.abs(rows.ravel() - logits.numpy().ravel()).max())

    def test_native_keeps_the_grid_of_weights(self):
        name = "bert-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)
        tq.calibrate(model, data)
        weight = model.bert.encoder.layer[0].intermediate.dense
        weight._weight_quantizer.set_range(weight._weight_quantizer.amax * 1.25)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint, bundle = Path(folder) / "checkpoint", Path(folder) / "bundle"
            tq.save(model, checkpoint)
            copy_tokenizer(name, checkpoint)
            tamis.optimize(checkpoint, bundle, precision="int8", seconds=1e-3, threads=1)
            from safetensors.torch import load_file

            stored = load_file(bundle / "model.safetensors")
            scale = next(v for k, v in stored.items() if "layer.0.intermediate.dense" in k
                         and k.endswith(".scale"))
            torch.testing.assert_close(scale, weight._weight_quantizer.amax[:, 0] / 127)
            integers = next(v for k, v in stored.items() if "layer.0.intermediate.dense" in k
                            and v.dtype == torch.int8)
            back = tq.fake_quantize(weight.weight, weight._weight_quantizer.amax)
            torch.testing.assert_close(integers * scale[:, None], back.detach())

    def test_plans_in_float_have_the_float_weights(self):
        # Ranges of weights alone round these in plans of integers, and in no other.
        name = "bert-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)
        tq.calibrate(model, data, method="max")
        tq.disable(model, "*_input_quantizer", "*matmul*", "*layernorm*")
        with tempfile.TemporaryDirectory() as folder:
            checkpoint, bundle = Path(folder) / "checkpoint", Path(folder) / "bundle"
            tq.save(model, checkpoint)
            copy_tokenizer(name, checkpoint)
            report = tamis.optimize(checkpoint, bundle, scheme="static", budget="flips=0.001%", seconds=1e-3,
                                    threads=1)
            self.assertEqual(report.precision, "fp32")
            self.assertEqual(report.plans[0].loss, 0)
            native = tamis.Model(bundle, threads=1)
            for batch, logits in zip(data, tq.float_logits(model, data)):
                types = [batch["token_type_ids"][0].tolist()] if "token_type_ids" in batch else None
                found = native.run([batch["input_ids"][0].tolist()], type_ids=types)
                np.testing.assert_allclose(found[0], logits[0].numpy(), atol=1e-4)

    def test_a_folder_with_another_save_in_it(self):
        name = "bert-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            model.save_pretrained(path, max_shard_size="20KB")
            self.assertTrue((path / "model.safetensors.index.json").is_file())
            (path / "model_of_mine.safetensors").write_bytes(b"kept")
            model = tq.load(path)
            tq.calibrate(model, data[:1])
            tq.save(model, path)
            again = tq.load(path)
            self.assertTrue(all(q.enabled for q in tq.quantizers(again).values()))
            self.assertTrue(torch.equal(tq.logits_of(again, data)[0], tq.logits_of(model, data)[0]))
            self.assertEqual([item.name for item in path.glob("model-*")], [])
            self.assertEqual((path / "model_of_mine.safetensors").read_bytes(), b"kept")

    def test_refusals_of_tamis(self):
        name = "bert-sequence-classification"
        model = tq.load(folder_of(name))
        tq.calibrate(model, batches(name)[:1])
        with tempfile.TemporaryDirectory() as folder:
            from safetensors.torch import load_file, save_file

            tq.save(model, folder)
            copy_tokenizer(name, folder)
            path = Path(folder) / "model.safetensors"
            tensors = load_file(path)
            tensors["bert.encoder.layer.7.output.layernorm_quantizer_0._amax"] = torch.tensor(1.0)
            save_file(tensors, path, metadata={"format": "pt"})
            with self.assertRaisesRegex(tamis.CorruptData, "layer.7.output.layernorm_quantizer_0"):
                tamis.Model(folder, threads=1)

    def test_optimize_takes_a_live_model(self):
        model = plain("bert-sequence-classification")
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder_of("bert-sequence-classification"))
        with tempfile.TemporaryDirectory() as folder:
            report = tamis.optimize(model, Path(folder) / "bundle", tokenizer=tokenizer,
                                    precision="fp32", seconds=1e-3, threads=1)
            self.assertEqual(report.precision, "fp32")
            native = tamis.Model(Path(folder) / "bundle", threads=1)
            batch = batches("bert-sequence-classification")[0]
            rows = native.run([batch["input_ids"][0].tolist()],
                              type_ids=[batch["token_type_ids"][0].tolist()])
            with torch.no_grad():
                np.testing.assert_allclose(rows, model(**batch)[0], atol=1e-4)
            with self.assertRaisesRegex(tamis.InvalidArgument, "tokenizer"):
                tamis.optimize(model, Path(folder) / "other")

    def test_optimize_takes_the_ranges_of_a_live_model(self):
        name = "gte-sequence-classification"  # its file joins weights that its modules have apart
        model, data = tq.load(folder_of(name)), batches(name)
        tq.calibrate(model, data, method="max")
        tq.disable(model, "*.mlp.*")
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder_of(name))
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "bundle"
            tamis.optimize(model, bundle, tokenizer=tokenizer, precision="int8", scheme="static",
                           seconds=1e-3, threads=1)
            record = json.loads((bundle / "quantization.json").read_text())["quantizers"]
            self.assertEqual(sum(row["enabled"] for row in record),
                             sum(q.enabled for q in tq.quantizers(model).values()))
            native = tamis.Model(bundle, threads=1)
            for batch, logits in zip(data, tq.logits_of(model, data)):
                np.testing.assert_allclose(native.run([batch["input_ids"][0].tolist()]), logits,
                                           atol=1e-4)


class Training(unittest.TestCase):
    def test_steps_lower_the_loss(self):
        name = "bert-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)
        tq.calibrate(model, data, method="histogram", percentile=99)
        teacher = tq.float_twin(model)
        reference = tq.logits_of(teacher, data)
        before = tq.agreement(reference, tq.logits_of(model, data)).kl
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                folder, max_steps=20, learning_rate=1e-3, per_device_train_batch_size=1,
                lr_scheduler_type="constant", report_to=[], save_strategy="no", use_cpu=True,
                disable_tqdm=True, logging_strategy="no")
            trainer = tq.QatTrainer(
                model, teacher=teacher, args=arguments, data_collator=lambda items: items[0],
                train_dataset=data)
            trainer.train()
        after = tq.agreement(reference, tq.logits_of(model, data)).kl
        self.assertLess(after, before)
        layer = model.bert.encoder.layer[0].intermediate.dense
        torch.testing.assert_close(layer._weight_quantizer.amax[:, 0], layer.weight.abs().amax(1),
                                   rtol=0, atol=0)
        self.assertTrue(torch.equal(tq.logits_of(teacher, data)[0], reference[0]))

    def test_checkpoints_have_the_ranges_of_their_weights(self):
        name = "bert-sequence-classification"
        model, data = tq.load(folder_of(name)), batches(name)
        tq.calibrate(model, data, method="max")
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                folder, max_steps=2, learning_rate=1e-3, per_device_train_batch_size=1,
                lr_scheduler_type="constant", report_to=[], save_strategy="steps", save_steps=1, use_cpu=True,
                disable_tqdm=True, logging_strategy="no")
            tq.QatTrainer(model, teacher=tq.float_twin(model), args=arguments, train_dataset=data,
                          data_collator=lambda items: items[0]).train()
            for step in (1, 2):
                saved = tq.load(Path(folder) / f"checkpoint-{step}")
                layer = saved.bert.encoder.layer[0].intermediate.dense
                torch.testing.assert_close(layer._weight_quantizer.amax[:, 0], layer.weight.abs().amax(1),
                                           rtol=0, atol=0)
            self.assertTrue(torch.equal(tq.logits_of(saved, data)[0], tq.logits_of(model, data)[0]))


class Onnx(unittest.TestCase):
    def test_qdq_file_gives_the_simulated_logits(self):
        import onnx
        import onnxruntime

        for name in ("bert-sequence-classification", "distilbert-token-classification"):
            model, data = tq.load(folder_of(name)), batches(name)
            tq.calibrate(model, data, method="max")
            tq.disable(model, "*layernorm*")
            weight = model.classifier.weight
            with torch.no_grad():  # a row of zeros has a scale all the same
                weight[0] = 0
                tq.quantizers(model)["classifier._weight_quantizer"].follow(weight)
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "model.onnx")
                tq.export_onnx(model, path, data[0])
                written = onnx.load(path)
                onnx.checker.check_model(written, full_check=True)
                count = sum(node.op_type == "QuantizeLinear" for node in written.graph.node)
                self.assertEqual(count, sum(q.enabled for q in tq.quantizers(model).values()))
                scales = [onnx.numpy_helper.to_array(x) for x in written.graph.initializer if "classifier" in x.name]
                self.assertTrue(scales)
                options = onnxruntime.SessionOptions()
                level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
                options.graph_optimization_level = level
                options.intra_op_num_threads = 1
                session = onnxruntime.InferenceSession(path, options)
                for batch, logits in zip(data, tq.logits_of(model, data)):
                    found = session.run(None, {k: v.numpy() for k, v in batch.items()})[0]
                    np.testing.assert_allclose(found, logits.numpy(), atol=1e-5)
        with self.assertRaises(tamis.InvalidArgument):
            tq.export_onnx(model, "x.onnx", data[0], opset=12)


if __name__ == "__main__":
    unittest.main()
