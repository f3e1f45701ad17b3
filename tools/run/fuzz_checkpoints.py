#!/usr/bin/env python3
"""Random checkpoints with random side files, through the program and through Hugging Face's libraries.

build/clients/bin/python tools/run/fuzz_checkpoints.py --tamis build/dev/tamis --count 1000 [--seed 1] [--keep FOLDER]

A checkpoint is a tiny random encoder with one of three jobs: an embedder (sentence-transformers' SentenceTransformer), a
reranker (CrossEncoder) or a classifier (transformers' text-classification pipeline). Every key of config.json,
modules.json, each module's config.json, sentence_bert_config.json, config_sentence_transformers.json and
adapter_config.json is drawn now and then, with values that matter and values that do not. The outcome of a case is one of

  same       both answer, and alike
  refused    the program refuses by name, whatever the library does
  library    the program answers where the library fails
  warned     the answers differ, and the program's standard error names a key that was drawn
  DIFFERENT  the answers differ in silence: printed with what was drawn; the exit status is 1
"""
import argparse
import collections
import json
import logging
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import warnings

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="critical")
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from sentence_transformers import CrossEncoder, SentenceTransformer  # noqa: E402

transformers.utils.logging.disable_progress_bar()
ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENIZER = ROOT / "testdata" / "sentence-transformers" / "mean"
TEXTS = ["Ada Lovelace lived in London.", "x", "A longer text of many words, so that it is cut where a limit is set: one two three"]
TOLERANCE = 2e-4
FLOAT32 = {"dtype": torch.float32}  # the library would run a torch_dtype of float16 in it

ACTIVATIONS = ["gelu", "gelu_10", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh", "gelu_accurate", "hardswish",
               "gelu_python_tanh", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu", "relu2", "relu6", "sigmoid", "silu", "swish", "tanh"]
TORCH_ACTIVATIONS = ["activation.Tanh", "linear.Identity", "activation.ReLU", "activation.GELU", "activation.Sigmoid",
                     "activation.SiLU", "activation.Mish", "activation.Hardswish", "activation.LeakyReLU"]
FAMILIES = {
    "bert": transformers.BertConfig, "roberta": transformers.RobertaConfig, "distilbert": transformers.DistilBertConfig,
    "albert": transformers.AlbertConfig, "electra": transformers.ElectraConfig,
}
HALVES = {"bart": transformers.BartConfig, "mbart": transformers.MBartConfig}
DECODERS = {
    "llama": transformers.LlamaConfig, "mistral": transformers.MistralConfig, "qwen2": transformers.Qwen2Config,
    "qwen3": transformers.Qwen3Config, "gemma3_text": transformers.Gemma3TextConfig,
}
ROPES = [{"rope_type": "default", "rope_theta": 50.0}, {"rope_type": "linear", "factor": 3.0, "rope_theta": 500.0},
         {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 500.0},
         {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 3.0, "rope_theta": 90.0,
          "original_max_position_embeddings": 20},
         {"rope_type": "yarn", "factor": 4.0, "rope_theta": 90.0, "original_max_position_embeddings": 16},
         {"rope_type": "yarn", "factor": 2.0, "rope_theta": 90.0, "beta_fast": 3.0, "beta_slow": 0.5, "truncate": False,
          "attention_factor": 0.8, "original_max_position_embeddings": 33}]
WIDTH = 16
BOOL = [True, False]
# Encoders by their configuration class: what each draws beside the sizes, its activation and its epsilon.
ENCODERS = {
    "camembert": {}, "xlm-roberta": {}, "data2vec-text": {}, "roberta-prelayernorm": {}, "xlm-roberta-xl": {}, "megatron-bert": {},
    "ernie": {"use_task_id": BOOL, "task_type_vocab_size": [1, 4]},
    "dpr": {"projection_dim": [0, 6]},
    "mpnet": {"relative_attention_num_buckets": [4, 8, 33, 64], "pad_token_id": [0, 1, 5]},
    "deberta": {"relative_attention": [True, True, False], "max_relative_positions": [-1, 0, 3, 90], "position_biased_input": BOOL,
                "pos_att_type": [["c2p"], ["p2c"], ["p2c", "c2p"], "c2p|p2c", []], "pooler_hidden_act": ACTIVATIONS,
                "pooler_hidden_size": [WIDTH], "talking_head": [False]},
    "deberta-v2": {"relative_attention": [True, True, False], "max_relative_positions": [-1, 0, 3, 90], "position_biased_input": BOOL,
                   "pos_att_type": [["c2p"], ["p2c"], ["p2c", "c2p"], "c2p|p2c", []], "pooler_hidden_act": ACTIVATIONS,
                   "position_buckets": [-1, 2, 6, 32], "share_att_key": BOOL, "norm_rel_ebd": ["layer_norm", "none"],
                   "conv_kernel_size": [0, 1, 3, 5], "conv_act": ["tanh", "gelu", "relu"], "conv_groups": [1, 2],
                   "attention_head_size": [WIDTH // 2]},
    "longformer": {"attention_window": [4, 8, [8, 16], 512]},
    "big_bird": {"attention_type": ["block_sparse", "block_sparse", "original_full"], "block_size": [1, 2, 3, 16],
                 "num_random_blocks": [1, 2, 3], "rescale_embeddings": BOOL, "use_bias": BOOL},
    "modernbert": {"norm_bias": BOOL, "attention_bias": BOOL, "mlp_bias": BOOL, "local_attention": [2, 3, 6, 128],
                   "global_attn_every_n_layers": [1, 2, 3], "classifier_pooling": ["cls", "mean"], "classifier_bias": BOOL,
                   "classifier_activation": ACTIVATIONS, "sparse_prediction": BOOL, "decoder_bias": BOOL},
    "nomic_bert": {}, "gte": {"type_vocab_size": [0, 1, 2]}, "jina_embeddings_v3": {},
    "eurobert": {"attention_bias": BOOL, "mlp_bias": BOOL, "head_dim": [6, 8], "classifier_pooling": ["late", "bos", "mean"],
                 "pretraining_tp": [1]},
    "esm": {"position_embedding_type": ["absolute", "rotary"], "emb_layer_norm_before": [True, False, None], "token_dropout": BOOL,
            "rope_theta": [50.0]},
    "t5": {"feed_forward_proj": ["relu", "gated-gelu", "gated-silu", "gelu", "gated-relu", "silu"], "d_kv": [4, 8, 12],
           "relative_attention_num_buckets": [4, 32], "relative_attention_max_distance": [5, 20, 128]},
}
ENCODERS["mt5"] = ENCODERS["t5"]
ROTARY = ("nomic_bert", "gte", "jina_embeddings_v3", "eurobert")
# Of which there must be as many factors as pairs of columns in a head.
LONGROPE = {"rope_type": "longrope", "rope_theta": 90.0, "original_max_position_embeddings": 9}
PREFIX = "sentence_transformers."
TYPES = {
    "Transformer": [PREFIX + "models.Transformer", PREFIX + "base.modules.transformer.Transformer"],
    "Pooling": [PREFIX + "models.Pooling", PREFIX + "sentence_transformer.modules.pooling.Pooling"],
    "Dense": [PREFIX + "models.Dense", PREFIX + "base.modules.dense.Dense"],
    "Normalize": [PREFIX + "models.Normalize", PREFIX + "base.modules.normalize.Normalize"],
}


class Draw:
    """Random choices, with a record of what was drawn."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.record = []

    def maybe(self, chance):
        return self.random.random() < chance

    def one(self, values):
        return self.random.choice(values)

    def key(self, target, name, values, chance=0.15, where=""):
        """Sets target[name] to one of the values now and then."""
        if self.maybe(chance):
            target[name] = self.one(values)
            self.record.append(f"{where}{name}={json.dumps(target[name])}")


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))


def decoder_config(draw, name):
    """A decoder whose settings are those of its configuration class, each drawn now and then."""
    sizes = {"vocab_size": vocab_size(), "hidden_size": WIDTH, "num_hidden_layers": draw.one([1, 2]), "num_attention_heads": 2,
             "num_key_value_heads": draw.one([1, 2]), "intermediate_size": 24, "max_position_embeddings": 66, "pad_token_id": None}
    gemma = name == "gemma3_text"
    draw.key(sizes, "hidden_activation" if gemma else "hidden_act", ACTIVATIONS, 0.3)
    draw.key(sizes, "rms_norm_eps", [1e-5, 1e-2], 0.3)
    draw.key(sizes, "pad_token_id", [0, 5, 30], 0.6)
    draw.key(sizes, "tie_word_embeddings", [True, False], 0.3)
    if name in ("llama", "mistral", "qwen3", "gemma3_text"):
        sizes["head_dim"] = draw.one([6, 8, 12])
    if name in ("llama", "qwen3", "gemma3_text"):
        draw.key(sizes, "attention_bias", [True, False], 0.4)
    if name == "llama":
        draw.key(sizes, "mlp_bias", [True, False], 0.4)
        draw.key(sizes, "pretraining_tp", [1], 0.2)
    if name == "mistral":
        draw.key(sizes, "sliding_window", [None, 1, 3, 40], 0.8)
    if name in ("qwen2", "qwen3"):
        draw.key(sizes, "use_sliding_window", [True, False], 0.7)
        draw.key(sizes, "sliding_window", [None, 1, 3], 0.6)
        draw.key(sizes, "max_window_layers", [0, 1], 0.6)
    if gemma:
        draw.key(sizes, "sliding_window", [2, 4, 6, 64], 0.9)
        draw.key(sizes, "use_bidirectional_attention", [True, False], 0.5)
        draw.key(sizes, "query_pre_attn_scalar", [3, 256], 0.5)
        draw.key(sizes, "layer_types", [[draw.one(["full_attention", "sliding_attention"]) for _ in range(sizes["num_hidden_layers"])]], 0.5)
        draw.key(sizes, "rope_parameters", [{"full_attention": dict(draw.one(ROPES)), "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}}], 0.5)
    else:
        pairs = sizes.get("head_dim", WIDTH // sizes["num_attention_heads"]) // 2
        draw.key(sizes, "rope_parameters", [*(dict(rope) for rope in ROPES), longrope(draw, pairs)], 0.6)
        draw.key(sizes, "is_causal", [True, False], 0.4)
    return DECODERS[name](**sizes)


def longrope(draw, pairs):
    """Longer texts turn otherwise; the library runs each text alone, so its length alone decides."""
    rope = {**LONGROPE, "short_factor": [1 + 0.1 * i for i in range(pairs)], "long_factor": [2.0 + i for i in range(pairs)]}
    draw.key(rope, "factor", [0.5, 6.0], 0.4)
    draw.key(rope, "attention_factor", [0.7], 0.4)
    return rope


def halves_config(draw, name):
    """BART or mBART; each text ends with the tokenizer's last special token."""
    vocabulary = json.loads((TOKENIZER / "tokenizer.json").read_text())["model"]["vocab"]
    sizes = {"vocab_size": len(vocabulary), "d_model": WIDTH, "max_position_embeddings": 66, "pad_token_id": vocabulary["[PAD]"],
             "eos_token_id": vocabulary["[SEP]"], "decoder_start_token_id": draw.one([0, 5])}
    for half in ("encoder", "decoder"):
        sizes.update({f"{half}_layers": draw.one([1, 2]), f"{half}_attention_heads": draw.one([1, 2, 4]), f"{half}_ffn_dim": draw.one([12, 24])})
    draw.key(sizes, "activation_function", ACTIVATIONS, 0.5)
    draw.key(sizes, "scale_embedding", [True, False], 0.5)
    return HALVES[name](**sizes)


def encoder_config(draw, name):
    """An encoder of ENCODERS. Each text ends with the tokenizer's last special token, as T5's heads want it."""
    vocabulary = json.loads((TOKENIZER / "tokenizer.json").read_text())["model"]["vocab"]
    settings = {"vocab_size": len(vocabulary), "hidden_size": WIDTH, "num_hidden_layers": draw.one([1, 2, 3]), "num_attention_heads": 2,
                "intermediate_size": 24, "max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 2,
                "bos_token_id": vocabulary["[CLS]"], "eos_token_id": vocabulary["[SEP]"], "cls_token_id": vocabulary["[CLS]"],
                "sep_token_id": vocabulary["[SEP]"], "mask_token_id": vocabulary["[MASK]"]}
    if name in ("t5", "mt5"):
        settings = {"vocab_size": len(vocabulary), "d_model": WIDTH, "num_heads": 2, "d_ff": 24, "num_layers": settings["num_hidden_layers"],
                    "num_decoder_layers": draw.one([1, 2]), "pad_token_id": vocabulary["[PAD]"], "eos_token_id": vocabulary["[SEP]"],
                    "decoder_start_token_id": vocabulary["[PAD]"]}
    elif name != "esm":
        draw.key(settings, "hidden_activation" if name == "modernbert" else "hidden_act", ACTIVATIONS, 0.4)
    if name == "eurobert":
        settings["num_key_value_heads"] = draw.one([1, 2])
    epsilon = {"modernbert": "norm_eps", "eurobert": "rms_norm_eps", "t5": "layer_norm_epsilon", "mt5": "layer_norm_epsilon"}
    draw.key(settings, epsilon.get(name, "layer_norm_eps"), [1e-5, 1e-2], 0.3)
    if name in ROTARY:
        draw.key(settings, "rope_parameters", [dict(rope) for rope in ROPES], 0.5)
    if name == "modernbert":
        kinds = {"sliding_attention": dict(draw.one(ROPES[:2])), "full_attention": dict(draw.one(ROPES))}
        draw.key(settings, "rope_parameters", [kinds], 0.4)
        layers = [draw.one(["full_attention", "sliding_attention"]) for _ in range(settings["num_hidden_layers"])]
        draw.key(settings, "layer_types", [layers], 0.3)
    if name == "longformer":
        settings["num_hidden_layers"] = 2  # as many as the longest list of windows
    for key, values in ENCODERS[name].items():
        draw.key(settings, key, values, 0.5)
    return transformers.CONFIG_MAPPING[name](**settings)


def new_model(family, config, labels):
    """The class that the library will load the folder in."""
    if labels:
        return transformers.AutoModelForSequenceClassification.from_config(config)
    if family in ("t5", "mt5"):
        return {"t5": transformers.T5EncoderModel, "mt5": transformers.MT5EncoderModel}[family](config)
    return transformers.AutoModel.from_config(config)


def family_config(draw, families):
    name = draw.one(families)
    if name in ENCODERS:
        return name, encoder_config(draw, name)
    if name in DECODERS:
        return name, decoder_config(draw, name)
    if name in HALVES:
        return name, halves_config(draw, name)
    sizes = {"vocab_size": vocab_size(), "hidden_size": WIDTH, "num_hidden_layers": draw.one([1, 2]), "num_attention_heads": 2,
             "intermediate_size": 24, "max_position_embeddings": 66}
    if name == "distilbert":
        sizes = {"vocab_size": sizes["vocab_size"], "dim": WIDTH, "n_layers": 2, "n_heads": 2, "hidden_dim": 24,
                 "max_position_embeddings": 66}
    if name in ("albert", "electra"):
        sizes["embedding_size"] = draw.one([8, WIDTH])
    act = "activation" if name == "distilbert" else "hidden_act"
    draw.key(sizes, act, ACTIVATIONS, 0.5)
    if name != "distilbert":
        draw.key(sizes, "layer_norm_eps", [1e-5, 1e-2], 0.3)
    return name, FAMILIES[name](**sizes)


def vocab_size():
    return len(json.loads((TOKENIZER / "tokenizer.json").read_text())["model"]["vocab"])


def older_names(draw, config):
    """The names that files had before transformers 5, for rope_parameters that are one object."""
    rope = config.get("rope_parameters")
    if config["model_type"] not in DECODERS or not rope or "full_attention" in rope or not draw.maybe(0.5):
        return
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else {draw.one(["type", "rope_type"]): kind, **rope}
    draw.record.append("older names")


def mutate_config(draw, config, labels):
    """config.json as saved, with keys drawn on top."""
    where = "config.json:"
    older_names(draw, config)
    draw.key(config, "initializer_range", [float("nan"), 0.5], where=where)
    draw.key(config, "torch_dtype", ["float16", "float32"], where=where)
    draw.key(config, "use_cache", [True], where=where)
    draw.key(config, "problem_type", ["", "regression", "multi_label_classification", "single_label_classification"], where=where)
    draw.key(config, "position_embedding_type", ["absolute"], where=where)
    draw.key(config, "is_decoder", [False], where=where)
    draw.key(config, "chunk_size_feed_forward", [1], where=where)
    draw.key(config, "pruned_heads", [{}], where=where)
    draw.key(config, "output_hidden_states", [True], where=where)
    draw.key(config, "tie_word_embeddings", [True, False], where=where)
    draw.key(config, "an_unknown_key", [1, {"a": [None]}], where=where)
    draw.key(config, "gradient_checkpointing", [True], where=where)
    if labels:
        names = [draw.one(["a", "b", "entailment", f"LABEL_{i}"]) for i in range(labels)]
        config["id2label"] = {str(i): name for i, name in enumerate(names)}
        draw.record.append(f"id2label={names}")
        draw.key(config, "label2id", [{"entail": 0}, {name: i for i, name in enumerate(names)}], where=where)
        draw.key(config, "num_labels", [labels, labels + 1], where=where)
        draw.key(config, "_num_labels", [labels, 7], where=where)
    return config


def save_weights(draw, folder, tensors):
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    kind = draw.one(["safetensors", "safetensors", "bin", "legacy"])
    draw.record.append(kind)
    if kind == "safetensors":
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    else:
        torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=kind == "bin")


def add_adapter(draw, folder, tensors):
    """LoRA on the attention's linear layers, as peft writes it."""
    rank = draw.one([1, 2])
    # Where the library does not take the weights beside the adapter, it takes the same ones from here.
    base = folder / "base"
    base.mkdir()
    for path in [*folder.glob("*.json"), *folder.glob("*model.*")]:
        if path.is_file():
            shutil.copy(path, base)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": draw.one([1, 8]), "target_modules": ["query", "q_lin"], "bias": "none",
              "base_model_name_or_path": str(base), "task_type": None}
    for key, values in {"use_rslora": [True, False], "fan_in_fan_out": [False], "init_lora_weights": [True, "gaussian"],
                        "use_dora": [False, True], "modules_to_save": [None], "inference_mode": [True], "lora_dropout": [0.1],
                        "alpha_pattern": [{}, {"query": 3}], "rank_pattern": [{}], "layer_replication": [None]}.items():
        draw.key(config, key, values, where="adapter_config.json:")
    parts = {}
    for name, tensor in tensors.items():
        if name.endswith(("query.weight", "q_lin.weight")):
            module = "base_model.model." + name.removesuffix(".weight")
            parts[module + ".lora_A.weight"] = torch.randn(rank, tensor.shape[1])
            parts[module + ".lora_B.weight"] = torch.randn(tensor.shape[0], rank)
    write(folder / "adapter_config.json", config)
    save_file(parts, folder / "adapter_model.safetensors")
    draw.record.append("adapter")


def pooling_config(draw):
    width = {draw.one(["word_embedding_dimension", "embedding_dimension"]): WIDTH}
    modes = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
    flags = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    if draw.maybe(0.5):
        config = {"pooling_mode_" + flag: draw.maybe(0.3) for flag in flags}
    else:
        config = {"pooling_mode": draw.one([*modes, ["cls", "mean"], ["lasttoken"]])}
    draw.key(config, "include_prompt", [True], where="1_Pooling:")
    return {**width, **config}


def dense_folder(draw, folder, width):
    out = draw.one([4, 12])
    config = {"in_features": width, "out_features": out, "bias": draw.maybe(0.7)}
    draw.key(config, "activation_function", ["torch.nn.modules." + name for name in TORCH_ACTIVATIONS], 0.6, "Dense:")
    draw.key(config, "use_residual", [False, True], where="Dense:")
    draw.key(config, "module_input_name", ["sentence_embedding"], where="Dense:")
    draw.key(config, "module_output_name", ["sentence_embedding", None], where="Dense:")
    write(folder / "config.json", config)
    tensors = {"linear.weight": torch.randn(out, width)}
    if config["bias"]:
        tensors["linear.bias"] = torch.randn(out)
    if config.get("use_residual"):
        tensors["residual.weight"] = torch.randn(out, width)
    save_file(tensors, folder / "model.safetensors")
    return out


def write_modules(draw, folder, kinds):
    modules, width = [], WIDTH
    for i, kind in enumerate(kinds):
        path = "" if i == 0 else f"{i}_{kind}"
        modules.append({"idx": i, "name": str(i), "path": path, "type": draw.one(TYPES[kind])})
        if kind == "Pooling":
            config = pooling_config(draw)
            write(folder / path / "config.json", config)
            names = config.get("pooling_mode")
            count = len(names) if isinstance(names, list) else 1
            if names is None:
                count = max(1, sum(value for key, value in config.items() if key.startswith("pooling_mode_")))
            width = WIDTH * count
        elif kind == "Dense":
            width = dense_folder(draw, folder / path, width)
        elif kind == "Normalize" and draw.maybe(0.5):
            write(folder / path / "config.json", {"module_input_name": "sentence_embedding"})
        elif kind == "Normalize":
            (folder / path).mkdir()
    write(folder / "modules.json", modules)
    draw.record.append("modules=" + ",".join(kinds))


def transformer_file(draw, output):
    where = "sentence_bert_config.json:"
    config = {}
    if output == "pooler_output":
        config = {"modality_config": {"text": {"method": "forward", "method_output_name": output}},
                  "module_output_name": "sentence_embedding"}
    elif output == "logits":
        config = {"transformer_task": "sequence-classification", "module_output_name": "scores",
                  "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}}}
    elif draw.maybe(0.3):
        config = {"modality_config": {"text": {"method": "forward", "method_output_name": draw.one(["last_hidden_state", ["last_hidden_state"]])}},
                  "module_output_name": "token_embeddings"}
    draw.key(config, "max_seq_length", [6, 64, None], 0.4, where)
    draw.key(config, "do_lower_case", [False, True], 0.2, where)
    draw.key(config, "unpad_inputs", [False], 0.1, where)
    draw.key(config, "query_length", [None], 0.1, where)
    draw.key(config, draw.one(["tokenizer_args", "processor_kwargs"]),
             [{"model_max_length": 7}, {}, {"padding_side": "left"}, {"do_lower_case": True}], 0.25, where)
    draw.key(config, draw.one(["model_args", "model_kwargs"]), [{}, {"attn_implementation": "eager"}], 0.1, where)
    draw.key(config, draw.one(["config_args", "config_kwargs"]), [{}, {"use_cache": False}], 0.1, where)
    return config


def folder_file(draw, kind):
    where = "config_sentence_transformers.json:"
    config = {"__version__": {"sentence_transformers": "6.0.0"}, "model_type": kind}
    draw.key(config, "prompts", [{"query": "x: ", "document": ""}, {}], 0.4, where)
    if config.get("prompts"):
        draw.key(config, "default_prompt_name", ["query", "document", None], 0.5, where)
    draw.key(config, "similarity_fn_name", ["cosine", "dot", None], 0.3, where)
    draw.key(config, "truncate_dim", [None, 3], 0.1, where)
    if kind == "CrossEncoder":
        draw.key(config, "activation_fn", [None, *("torch.nn.modules." + name for name in TORCH_ACTIVATIONS)], 0.7, where)
    elif draw.maybe(0.3):
        del config["model_type"]
    return config


class Case:
    def __init__(self, seed, folder, families):
        self.draw = draw = Draw(seed)
        self.folder = folder
        torch.manual_seed(seed)
        self.job = draw.one(["embed", "embed", "rerank", "classify"])
        self.family, config = family_config(draw, families)
        if self.family == "dpr":
            self.job = "embed"  # it has no other head
        labels = {"embed": 0, "rerank": 1, "classify": draw.one([1, 2, 3])}[self.job]
        if labels:
            config.num_labels = labels
        model = new_model(self.family, config, labels)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
        config.architectures = [type(model).__name__]
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
            if (TOKENIZER / name).exists():
                shutil.copy(TOKENIZER / name, folder)
        tensors = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("position_ids")}
        save_weights(draw, folder, tensors)
        write(folder / "config.json", mutate_config(draw, json.loads(config.to_json_string(use_diff=False)), labels))
        if draw.maybe(0.15) and self.family in ("bert", "roberta", "electra", "distilbert"):
            add_adapter(draw, folder, tensors)
        self.write_side_files()

    def write_side_files(self):
        draw, folder = self.draw, self.folder
        if self.job == "embed" and draw.maybe(0.9):
            output = draw.one(["last_hidden_state"] * 4 + ["pooler_output"])
            kinds = draw.one([[], ["Normalize"], ["Dense"], ["Dense", "Normalize"], ["Normalize", "Dense"], ["Normalize", "Normalize"]])
            if output != "pooler_output" or draw.maybe(0.1):
                kinds = kinds if draw.maybe(0.05) else ["Pooling", *kinds]
            write_modules(draw, folder, ["Transformer", *kinds])
            write(folder / "sentence_bert_config.json", transformer_file(draw, output))
            write(folder / "config_sentence_transformers.json", folder_file(draw, "SentenceTransformer"))
        elif self.job == "rerank" and draw.maybe(0.8):
            write_modules(draw, folder, ["Transformer"])
            write(folder / "sentence_bert_config.json", transformer_file(draw, "logits"))
            write(folder / "config_sentence_transformers.json", folder_file(draw, "CrossEncoder"))

    def library(self):
        """What the library answers, as rows of numbers."""
        path = str(self.folder)
        if self.job == "embed":
            return SentenceTransformer(path, device="cpu", model_kwargs=FLOAT32).encode(TEXTS, batch_size=1).tolist()
        if self.job == "rerank":
            scores = CrossEncoder(path, device="cpu", model_kwargs=FLOAT32).predict([(TEXTS[0], text) for text in TEXTS], batch_size=1)
            return [[float(score)] for score in scores]
        pipe = transformers.pipeline("text-classification", model=path, device="cpu", top_k=None, **FLOAT32)
        return [[item["score"] for item in afresh(pipe)([text])[0]] for text in TEXTS]

    def program(self, tamis):
        """The same of the program; nothing if it refuses. And its standard error."""
        arguments = {"embed": ["embed", self.folder, *TEXTS], "classify": ["classify", self.folder, *TEXTS],
                     "rerank": ["rerank", self.folder, "--query", TEXTS[0], *TEXTS]}[self.job]
        run = subprocess.run([tamis, *map(str, arguments), "--threads", "1"], capture_output=True, text=True, timeout=120)
        if run.returncode != 0:
            if run.returncode not in (2, 3, 4, 5):
                raise RuntimeError(f"exit status {run.returncode}: {run.stderr}")
            return None, run.stderr
        rows = [json.loads(line) for line in run.stdout.splitlines()]
        if self.job == "embed":
            return [row["embedding"] for row in rows], run.stderr
        if self.job == "classify":
            return [list(row["scores"].values()) for row in rows], run.stderr
        scores = {item["index"]: item["score"] for item in rows[0]["results"]}
        return [[scores[i]] for i in range(len(TEXTS))], run.stderr


def afresh(pipe):
    """BigBird's model leaves its blocks for good at the first short text; elsewhere longer texts come first."""
    body = pipe.model.base_model
    if hasattr(body, "set_attention_type"):
        body.set_attention_type(body.config.attention_type)
    return pipe


def alike(left, right):
    if len(left) != len(right) or any(len(a) != len(b) for a, b in zip(left, right)):
        return False
    return all(abs(x - y) <= TOLERANCE * max(1, abs(y)) for a, b in zip(left, right) for x, y in zip(a, b))


def outcome(case, tamis):
    ours, stderr = case.program(tamis)
    if ours is None:
        return "refused", stderr
    try:
        theirs = case.library()
    except Exception as error:  # whatever it is, the library gives no answer
        return "library", f"{type(error).__name__}: {str(error)[:150]}"
    if alike(ours, theirs):
        return "same", ""
    keys = [entry.split(":")[-1].split("=")[0] for entry in case.draw.record if "=" in entry]
    if any(key in stderr for key in keys):
        return "warned", stderr
    return "DIFFERENT", f"{stderr}\n ours   {str(ours)[:300]}\n theirs {str(theirs)[:300]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tamis", default="build/release/tamis")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="where to leave the checkpoints that differ")
    parser.add_argument("--verbose", action="store_true", help="print every refusal and warning too")
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), choices=[*FAMILIES, *ENCODERS, *DECODERS, *HALVES])
    options = parser.parse_args()
    torch.set_num_threads(1)
    counts = collections.Counter()
    for seed in range(options.seed, options.seed + options.count):
        with tempfile.TemporaryDirectory() as folder:
            case = Case(seed, pathlib.Path(folder), options.families)
            kind, detail = outcome(case, options.tamis)
            counts[kind] += 1
            if kind == "DIFFERENT" or (options.verbose and kind != "same"):
                print(f"{kind} seed {seed} {case.job} {case.family}: {case.draw.record}\n {detail.strip()}", flush=True)
            if kind == "DIFFERENT" and options.keep:
                shutil.copytree(folder, options.keep / str(seed), dirs_exist_ok=True)
    print(", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))
    return 1 if counts["DIFFERENT"] else 0


if __name__ == "__main__":
    sys.exit(main())
