"""Quantizers in exported graphs, against those in rewritten sources: the same tiny checkpoints.

    TAMIS_LIBRARY=... TAMIS_PROGRAM=... TAMIS_TESTDATA=testdata PYTHONPATH=python \\
        python3 tests/python/test_torch_export.py
"""

import copy
import importlib
import inspect
import json
import py_compile
import re
import sys
import tempfile
import types
import unittest
import warnings
from pathlib import Path

import numpy as np
import tamis
import torch
import transformers
from test_torch import (MODELS, batches, copy_tokenizer, folder_of, names_of_tamis, plain, type_of,
                        without_cache)

from tamis import torch as tq

SIMPLE = "bert-sequence-classification"
# BERT in another spelling: products by einsum, queries scaled before, sums and norms in functions of
# their own, the layers in a loop over their parts. Modules are named as BERT's.
SPELLED = '''
import math
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class Norm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, total):
        center = total - total.mean(-1, keepdim=True)
        return center * torch.rsqrt((center * center).mean(-1, keepdim=True) + self.eps) * self.weight + self.bias


class Residual(nn.Module):
    def __init__(self, rows, config):
        super().__init__()
        self.dense = nn.Linear(rows, config.hidden_size)
        self.LayerNorm = Norm(config.hidden_size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x, before):
        total = self.dropout(self.dense(x)) + before
        return self.LayerNorm(total)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.num_attention_heads
        for name in ("query", "key", "value"):
            self.add_module(name, nn.Linear(config.hidden_size, config.hidden_size))

    def forward(self, x, bias):
        q, k, v = (getattr(self, n)(x).unflatten(-1, (self.heads, -1)) for n in ("query", "key", "value"))
        q = q / math.sqrt(q.shape[-1])
        scores = torch.einsum("bihd,bjhd->bhij", q, k) + bias
        return torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), v).flatten(2)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = nn.Module()
        self.attention.self = Attention(config)
        self.attention.output = Residual(config.hidden_size, config)
        self.intermediate = nn.Module()
        self.intermediate.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output = Residual(config.intermediate_size, config)

    def forward(self, x, bias):
        x = self.attention.output(self.attention.self(x, bias), x)
        return self.output(F.gelu(self.intermediate.dense(x), approximate="tanh"), x)


class Spelled(PreTrainedModel):
    config_class = BertConfig
    base_model_prefix = "bert"

    def __init__(self, config):
        super().__init__(config)
        e, b = nn.Module(), nn.Module()
        e.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        e.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        e.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        e.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        b.embeddings, b.encoder, b.pooler = e, nn.Module(), nn.Module()
        b.encoder.layer = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        b.pooler.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.bert, self.classifier = b, nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        e = self.bert.embeddings
        kinds = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = e.LayerNorm(e.word_embeddings(input_ids) + e.position_embeddings(places) + e.token_type_embeddings(kinds))
        bias = 0.0
        if attention_mask is not None:
            bias = (1.0 - attention_mask[:, None, None].to(x.dtype)) * torch.finfo(x.dtype).min
        for layer in self.bert.encoder.layer:
            x = layer(x, bias)
        x = torch.tanh(self.bert.pooler.dense(x[:, 0]))
        return SequenceClassifierOutput(logits=self.classifier(x))
'''


def exported(name, **options):
    return without_cache(tq.insert(copy.deepcopy(plain(name)), front="export", **options))


def padded(model, sizes=((1, 6), (2, 9), (4, 5))):
    """Token ids of several lengths a batch, with their masks."""
    config = model.config
    generator = torch.Generator().manual_seed(1)
    made = []
    for rows, length in sizes:
        most = min(config.vocab_size, 30)
        ids = torch.randint(3, most, (rows, length), generator=generator)
        mask = torch.ones(rows, length, dtype=torch.int64)
        for row in range(1, rows):
            mask[row, length - row:] = 0
        if config.pad_token_id is not None:
            ids[mask == 0] = config.pad_token_id
        # Heads of encoders with decoders ask for one end in each text.
        if config.model_type in ("bart", "mbart", "t5", "mt5") and config.eos_token_id is not None:
            end = config.eos_token_id
            ids[ids == end] = end + 1
            ids[torch.arange(rows), mask.sum(1) - 1] = end
        made.append({"input_ids": ids, "attention_mask": mask})
    return made


def tensors(outputs):
    return [value for value in outputs.to_tuple() if isinstance(value, torch.Tensor)]


class Exports(unittest.TestCase):
    """All of what the rewriting of sources is tested with."""

    def test_names_outputs_and_ranges_of_every_checkpoint(self):
        for name in MODELS:
            with self.subTest(name), torch.no_grad():
                theirs, ours = copy.deepcopy(plain(name)), exported(name)
                source = without_cache(tq.load(folder_of(name)))
                every = tq.quantizers(source)
                self.assertEqual(set(tq.quantizers(ours)), set(every))
                self.assertEqual(names_of_tamis(folder_of(name)) - set(every), set())
                data = padded(theirs) if theirs.config.pad_token_id is not None else batches(name)[:3]
                options = {"use_cache": False} if "use_cache" in inspect.signature(
                    theirs.forward).parameters else {}
                for batch in data:
                    expected, found = theirs(**batch, **options), ours(**batch)
                    self.assertIs(type(found), type(expected))
                    for left, right in zip(tensors(found), tensors(expected), strict=True):
                        self.assertTrue(torch.equal(left, right))
                for model in (source, ours):
                    self.assertEqual(tq.calibrate(model, data, method="max"), [])
                for key, quantizer in tq.quantizers(ours).items():
                    torch.testing.assert_close(quantizer.amax, every[key].amax, rtol=1e-6, atol=0)
                for batch in data:
                    for left, right in zip(tensors(ours(**batch)), tensors(source(**batch)), strict=True):
                        torch.testing.assert_close(left, right, rtol=0, atol=1e-5)

    def test_attention_in_one_op(self):
        # Within 1e-6 of the op while quantizers are on, which is run as it is while they are off.
        for name in ("bert-base", "distilbert-token-classification", "qwen3-token-classification", "gte-base"):
            with self.subTest(name), torch.no_grad():
                theirs = copy.deepcopy(plain(name))
                theirs.set_attn_implementation("sdpa")
                ours, source = tq.insert(theirs, front="export"), without_cache(tq.load(folder_of(name)))
                data = padded(theirs)
                self.assertEqual(set(tq.quantizers(ours)), set(tq.quantizers(source)))
                for batch in data:
                    self.assertTrue(torch.equal(ours(**batch)[0], theirs(**batch, use_cache=False)[0]
                                                if "qwen" in name else theirs(**batch)[0]))
                for model in (source, ours):
                    tq.calibrate(model, data, method="max")
                for batch in data:
                    kept = batch["attention_mask"].bool()
                    torch.testing.assert_close(ours(**batch)[0][kept], source(**batch)[0][kept],
                                               rtol=0, atol=1e-5)


class Calls(unittest.TestCase):
    def test_other_arguments_get_graphs_of_their_own(self):
        theirs, ours = copy.deepcopy(plain(SIMPLE)), exported(SIMPLE)
        batch = padded(theirs)[1]
        labels = torch.tensor([0, 1])
        for extra in ({"labels": labels}, {"output_hidden_states": True}, {"token_type_ids": batch["input_ids"] % 2}):
            with self.subTest(next(iter(extra))):
                expected, found = theirs(**batch, **extra), ours(**batch, **extra)
                self.assertEqual(list(found), list(expected))
                self.assertTrue(torch.equal(found.logits, expected.logits))
        self.assertEqual(ours(**batch, labels=labels).loss, theirs(**batch, labels=labels).loss)
        self.assertIsInstance(ours(batch["input_ids"], return_dict=False), tuple)
        self.assertEqual(inspect.signature(ours.forward), inspect.signature(theirs.forward))
        with self.assertRaisesRegex(tamis.Unsupported, "attention_mask: is a list; .* tensors, numbers and flags"):
            ours(batch["input_ids"], attention_mask=[1])

    def test_one_token_and_one_row(self):
        theirs, ours = copy.deepcopy(plain(SIMPLE)), exported(SIMPLE)
        for batch in padded(theirs, ((1, 1), (1, 2), (5, 1))):
            self.assertTrue(torch.equal(ours(**batch)[0], theirs(**batch)[0]))

    def test_lengths_that_take_another_branch(self):
        # Angles are others beyond the length that the model was first trained with.
        name = "llama-longrope"
        theirs, ours = copy.deepcopy(plain(name)), exported(name)
        for length in (4, theirs.config.max_position_embeddings - 1, 5):
            ids = torch.arange(2 * length).view(2, length) % 20 + 3
            mask = torch.ones_like(ids)
            expected = theirs(input_ids=ids, attention_mask=mask, use_cache=False)[0]
            self.assertTrue(torch.equal(ours(input_ids=ids, attention_mask=mask)[0], expected), length)

    def test_more_tokens_than_positions(self):
        ours = exported(SIMPLE)
        ids = torch.ones(1, ours.config.max_position_embeddings + 1, dtype=torch.int64)
        with self.assertRaisesRegex(tamis.Error, "BertForSequenceClassification: "):
            ours(input_ids=ids, attention_mask=ids)

    def test_types_copies_and_dropout(self):
        theirs, ours = copy.deepcopy(plain(SIMPLE)), exported(SIMPLE)
        batch = padded(theirs)[1]
        losses = []
        for model in (theirs, ours):
            model.train()
            torch.manual_seed(0)
            losses.append(model(**batch, labels=torch.tensor([0, 1])).loss)
            losses[-1].backward()
            model.eval()
        self.assertEqual(*losses)
        left = dict(theirs.named_parameters())
        for name, parameter in ours.named_parameters():
            self.assertTrue(torch.equal(parameter.grad, left[name].grad), name)
        self.assertFalse(torch.equal(ours.train()(**batch)[0], ours.eval()(**batch)[0]))
        tq.without_dropout(ours)
        self.assertTrue(torch.equal(ours.train()(**batch)[0], ours.eval()(**batch)[0]))
        twin = copy.deepcopy(ours).double()
        torch.testing.assert_close(twin(**batch)[0].float(), ours(**batch)[0])
        self.assertEqual(ours(**batch)[0].dtype, torch.float32)
        with self.assertRaisesRegex(ValueError, "checkpointing"):
            ours.gradient_checkpointing_enable()


class WithoutSource(unittest.TestCase):
    """What front="source" cannot take falls to the graph, and says why."""

    def setUp(self):
        self.source = tq.load(folder_of(SIMPLE))

    def check(self, model, reason):
        with self.assertWarnsRegex(UserWarning, reason):
            ours = tq.insert(model)
        with self.assertRaisesRegex(tamis.Unsupported, reason):
            tq.insert(model, front="source")
        self.assertEqual(set(tq.quantizers(ours)), set(tq.quantizers(self.source)))
        data = padded(model)
        for twin in (ours, self.source):
            tq.calibrate(twin, data)
        for batch in data:
            torch.testing.assert_close(ours(**batch)[0], self.source(**batch)[0], rtol=0, atol=1e-6)

    def made_of(self, module):
        model = module.BertForSequenceClassification.from_pretrained(folder_of(SIMPLE), attn_implementation="eager")
        return model.eval()

    def test_classes_that_were_typed_in(self):
        import transformers.models.bert.modeling_bert as original

        module = types.ModuleType("typed_in")
        module.__package__, module.__file__ = original.__package__, "<typed in>"
        sys.modules["typed_in"] = module
        self.addCleanup(sys.modules.pop, "typed_in")
        exec(compile(inspect.getsource(original), "<typed in>", "exec"), module.__dict__)
        self.check(self.made_of(module), "not of transformers.models.bert.modeling_bert, but of typed_in")

    def test_modules_without_text(self):
        import transformers.models.bert.modeling_bert as original

        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        text = re.sub(r"^from \.\.\.(\w*)", r"from transformers.\1", inspect.getsource(original), flags=re.MULTILINE)
        text = re.sub(r"^from \.(\w)", r"from transformers.models.bert.\1", text, flags=re.MULTILINE)
        text = text.replace("from transformers. import", "from transformers import")
        source = Path(folder.name) / "compiled_bert.py"
        source.write_text(text)
        py_compile.compile(str(source), str(source.with_suffix(".pyc")), doraise=True)
        source.unlink()
        sys.path.insert(0, folder.name)
        self.addCleanup(sys.path.remove, folder.name)
        self.addCleanup(sys.modules.pop, "compiled_bert", None)
        importlib.invalidate_caches()
        kept = tq.FAMILIES["bert"]
        tq.FAMILIES["bert"] = [tq.Family("compiled_bert", tq.Rules())]
        try:
            self.check(self.made_of(importlib.import_module("compiled_bert")),
                       "compiled_bert has no source text")
        finally:
            tq.FAMILIES["bert"] = kept

    def test_code_of_a_checkpoint_in_another_spelling(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mine"
            plain(SIMPLE).save_pretrained(path)
            (path / "modeling_spelled.py").write_text(SPELLED)
            config = json.loads((path / "config.json").read_text())
            config["architectures"] = ["Spelled"]
            config["auto_map"] = {"AutoModelForSequenceClassification": "modeling_spelled.Spelled"}
            (path / "config.json").write_text(json.dumps(config))
            copy_tokenizer(SIMPLE, path)
            ours = tq.load(path, front="export", trust_remote_code=True)
            self.assertEqual(type(ours).__name__, "Spelled")
            source, data = self.source, batches(SIMPLE)
            self.assertEqual(set(tq.quantizers(ours)), set(tq.quantizers(source)))
            for model in (ours, source):
                tq.calibrate(model, data, method="max")
            for name, quantizer in tq.quantizers(source).items():  # of queries before they are scaled
                torch.testing.assert_close(tq.quantizers(ours)[name].amax, quantizer.amax, rtol=1e-4, atol=0)
            simulate(self, ours, data, Path(folder))


def simulate(test, model, data, folder):
    """Saves the model, and compares what Tamis makes of its ranges."""
    checkpoint, bundle = folder / "checkpoint", folder / "bundle"
    tq.save(model, checkpoint)
    copy_tokenizer(SIMPLE, checkpoint)
    config = json.loads((checkpoint / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    config.pop("auto_map", None)  # Tamis runs no code of a checkpoint
    (checkpoint / "config.json").write_text(json.dumps(config))
    for scheme in ("static", "native"):
        tamis.optimize(checkpoint, bundle, precision="int8", scheme=scheme, seconds=1e-3, threads=1,
                       force=scheme == "native")
        native = tamis.Model(bundle, threads=1)
        for batch, logits in zip(data, tq.logits_of(model, data)):
            types_of = [batch["token_type_ids"][0].tolist()] if "token_type_ids" in batch else None
            rows = native.run([batch["input_ids"][0].tolist()], type_ids=types_of)
            if scheme == "static":
                np.testing.assert_allclose(rows[0], logits[0].numpy(), atol=1e-4)
    source = tq.load(checkpoint)
    for left, right in zip(tq.logits_of(source, data), tq.logits_of(model, data)):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-4)


class Work(unittest.TestCase):
    """Calibration, switches, training and files, by the functions for rewritten sources."""

    def test_methods_switches_and_sensitivity(self):
        source, ours, data = tq.load(folder_of(SIMPLE)), exported(SIMPLE), batches(SIMPLE)
        for method in ("histogram", "max", "mse"):
            for model in (source, ours):
                self.assertEqual(tq.calibrate(model, data, method=method), [])
            for name, quantizer in tq.quantizers(ours).items():
                self.assertTrue(torch.equal(quantizer.amax, tq.quantizers(source)[name].amax), (method, name))
        for by in ("layer", "operator"):
            self.assertEqual(tq.sensitivity(ours, data, by=by), tq.sensitivity(source, data, by=by))
        for model in (source, ours):
            tq.disable(model, "*layernorm_quantizer*", "classifier.*")
        for left, right in zip(tq.logits_of(ours, data), tq.logits_of(source, data)):
            self.assertTrue(torch.equal(left, right))

    def test_training_and_what_tamis_makes_of_it(self):
        ours, data = exported(SIMPLE), batches(SIMPLE)
        tq.calibrate(ours, data, method="histogram", percentile=99)
        teacher = tq.float_twin(ours)
        reference = tq.logits_of(teacher, data)
        before = tq.agreement(reference, tq.logits_of(ours, data)).kl
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                folder, max_steps=20, learning_rate=1e-3, per_device_train_batch_size=1,
                lr_scheduler_type="constant", report_to=[], save_strategy="steps", save_steps=20, use_cpu=True,
                disable_tqdm=True, logging_strategy="no")
            tq.QatTrainer(ours, teacher=teacher, args=arguments, train_dataset=data,
                          data_collator=lambda items: items[0]).train()
            self.assertLess(tq.agreement(reference, tq.logits_of(ours, data)).kl, before)
            saved = tq.load(Path(folder) / "checkpoint-20")
            for left, right in zip(tq.logits_of(saved, data), tq.logits_of(ours, data)):
                self.assertTrue(torch.equal(left, right))
            simulate(self, ours, data, Path(folder))

    def test_ranges_go_between_the_fronts(self):
        for name in ("albert-sequence-classification", "gte-sequence-classification", "modernbert-base"):
            source, data = tq.load(folder_of(name)), batches(name)
            tq.calibrate(source, data)
            tq.disable(source, "*matmul_quantizer_0")
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                tq.save(source, folder)
                ours = tq.load(folder, front="export")
                for left, right in zip(tq.logits_of(ours, data), tq.logits_of(source, data)):
                    torch.testing.assert_close(left, right, rtol=0, atol=1e-5)
                tq.save(ours, folder)
                for key, quantizer in tq.quantizers(tq.load(folder)).items():
                    self.assertEqual(quantizer.enabled, tq.quantizers(source)[key].enabled, key)


if __name__ == "__main__":
    unittest.main()
