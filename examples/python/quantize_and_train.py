# %% [markdown]
# # Quantization of a classifier, from PyTorch to Tamis
#
# transformer-deploy's demo, on a CPU: quantizers are put into a Hugging Face model's source in memory,
# calibrated, examined, partly switched off, trained, and the result runs in Tamis. The model is a
# MiniLM fine-tuned on SST-2; the truth that everything is held against is the float model itself.
#
# `TAMIS_SHARED` names the folder of the model and its texts, `TAMIS_DEMO_TEXTS`, `TAMIS_DEMO_STEPS`
# how many texts are measured on (500) and how many steps of training there are (100).

# %%
import copy
import csv
import os
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tamis
import torch
import transformers

from tamis import torch as tq

torch.manual_seed(0)
shared = Path(os.environ.get("TAMIS_SHARED", "../shared"))
measured = int(os.environ.get("TAMIS_DEMO_TEXTS", "500"))
steps = int(os.environ.get("TAMIS_DEMO_STEPS", "100"))
source = shared / "models" / "sst2-minilm"
work = Path(tempfile.mkdtemp(prefix="tamis-demo-"))


def read(name):
    with open(shared / "data" / name, newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return [row[1] for row in rows], np.array([int(row[0]) for row in rows])


calibration_texts, _ = read("sst2_calibration.tsv")
texts, labels = read("sst2_test.tsv")
texts, labels = texts[:measured], labels[:measured]
tokenizer = transformers.AutoTokenizer.from_pretrained(source)

# %% [markdown]
# ## Insert
#
# The source of `transformers.models.bert.modeling_bert` is parsed, products, sums before norms and
# linear layers are wrapped, and the new module stands in for the old one while the model is loaded.

# %%
model = tq.load(source, dtype=torch.float32)
print(len(tq.quantizers(model)), "quantizers, all off; the first of them:")
print("\n".join(list(tq.quantizers(model))[:4]))

# %% [markdown]
# ## Calibrate
#
# A range for each quantizer from 128 texts. How much of the tail is cut off decides.

# %%
calibration = tq.batches(tokenizer, calibration_texts[:128])
held_out = tq.batches(tokenizer, texts, batch_size=64)
reference = tq.float_logits(model, held_out)
losses = {}
for percentile in (99.9, 99.99, 99.999):
    tq.calibrate(model, calibration, percentile=percentile)
    losses[percentile] = tq.agreement(reference, tq.logits_of(model, held_out))
    print(f"{percentile}: KL {losses[percentile].kl:.2e}, flips {losses[percentile].flips:.2%}")
best = min(losses, key=lambda percentile: losses[percentile].kl)
tq.calibrate(model, calibration, percentile=best)

# %% [markdown]
# ## Which part costs what
#
# Each part alone in integers, on a third of the texts.

# %%
part = held_out[::3]
by_layer = tq.sensitivity(model, part, by="layer")
by_operator = tq.sensitivity(model, part, by="operator")
figure, axes = plt.subplots(1, 2, figsize=(10, 3), sharex=True)
for axis, rows in zip(axes, (by_layer, by_operator)):
    axis.barh([row.name for row in rows], [row.agreement.kl for row in rows])
    axis.set_xlabel("KL to float with this part alone in integers")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## Switch off
#
# The sums of the most sensitive layer go back to float.

# %%
worst = next(row.name for row in by_layer if row.name.startswith("layer"))
before = tq.agreement(reference, tq.logits_of(model, held_out))
tq.disable(model, f"*.layer.{worst.split()[-1]}.*layernorm_quantizer_*")
after = tq.agreement(reference, tq.logits_of(model, held_out))
print(f"all quantizers: KL {before.kl:.2e}; without the sums of {worst}: KL {after.kl:.2e}")
tq.enable(model)

# %% [markdown]
# ## Train
#
# All quantizers on again. The float model is the teacher, so no labels are needed; gradients pass
# straight through the rounding.

# %%
arguments = transformers.TrainingArguments(
    str(work / "training"), max_steps=steps, learning_rate=2e-5, per_device_train_batch_size=32,
    lr_scheduler_type="constant", logging_steps=10, report_to=[], save_strategy="no", use_cpu=True,
    remove_unused_columns=False, disable_tqdm=True, dataloader_pin_memory=False)
trainer = tq.QatTrainer(
    model, teacher=tq.float_twin(model), args=arguments, train_dataset=calibration_texts,
    data_collator=lambda items: tokenizer(items, padding=True, truncation=True, return_tensors="pt"))
trainer.train()
trained = tq.agreement(reference, tq.logits_of(model, held_out))
print(f"before: KL {before.kl:.2e}, flips {before.flips:.2%}")
print(f"after {steps} steps: KL {trained.kl:.2e}, flips {trained.flips:.2%}")
curve = [row for row in trainer.state.log_history if "loss" in row]
plt.figure(figsize=(5, 3))
plt.semilogy([row["step"] for row in curve], [row["loss"] for row in curve])
plt.xlabel("step")
plt.ylabel("KL to the teacher")
plt.show()

# %% [markdown]
# ## Export, and run by Tamis
#
# The checkpoint keeps its ranges as `_amax`. `--scheme static` simulates exactly what was trained;
# the default scheme runs the trained weights on integers, and finds the ranges of activations itself.

# %%
tq.save(model, work / "trained", tokenizer)
bundles = {}
for name, options in {
    "Tamis fp32": {"model": source, "precision": "fp32"},
    "Tamis int8": {"model": source, "precision": "int8"},
    "Tamis int8, trained": {"model": work / "trained", "precision": "int8"},
    "Tamis static, trained": {"model": work / "trained", "precision": "int8", "scheme": "static"},
}.items():
    bundles[name] = work / name.replace(" ", "-").replace(",", "")
    tamis.optimize(options.pop("model"), bundles[name], seconds=0.05,
                   calibration=calibration_texts[:256], **options)
    print(name, "is made")

# %%
results = {}


def add(name, logits, seconds):
    chosen = torch.from_numpy(np.stack(logits))
    loss = tq.agreement([torch.cat([row for batch in float_rows for row in batch])], [chosen])
    accuracy = float((chosen.argmax(-1).numpy() == labels).mean())
    results[name] = (seconds / len(texts) * 1e3, accuracy, loss.kl)
    print(f"{name:22} {results[name][0]:6.2f} ms a text, accuracy {accuracy:.2%}, KL {loss.kl:.2e}")


def one_by_one(network):
    start, rows = time.perf_counter(), []
    with torch.no_grad():
        for text in texts:
            rows.append(network(**tokenizer(text, return_tensors="pt"))[0].numpy()[0])
    return rows, time.perf_counter() - start


plain = transformers.AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32)
rows, seconds = one_by_one(plain.eval())
float_rows = [[torch.from_numpy(row)[None] for row in rows]]
add("PyTorch fp32", rows, seconds)
for name, bundle in bundles.items():
    native = tamis.Model(bundle)
    native.run([[101, 102]])
    start, rows = time.perf_counter(), []
    for text in texts:
        ids = [token.id for token in native.tokenize(text)]
        rows.append(native.run([ids])[0])
    add(name, rows, time.perf_counter() - start)

# %% [markdown]
# The static bundle is what PyTorch computed with its quantizers on, and the integers are the fast one.
# A text has some hundred thousand rounded values; where one lies in the middle between two steps, the
# last bit of a float32 sum decides. So each is compared with PyTorch in float64, as PyTorch's own
# float32 is: where no value lies so, all three agree to the last digits.

# %%
ids = [tokenizer(text)["input_ids"] for text in texts[:60]]


def simulated(network):
    with torch.no_grad():
        return torch.cat([network(input_ids=torch.tensor([row]))[0] for row in ids]).numpy()


native = tamis.Model(bundles["Tamis static, trained"])
exact = simulated(copy.deepcopy(model).double())
for name, logits in {"PyTorch's quantizers": simulated(model), "Tamis' simulation": native.run(ids)}.items():
    far = np.abs(logits - exact).max(1)
    print(f"logits of {name} to float64: least {far.min():.1e}, median {np.median(far):.1e}, most {far.max():.1e}")

figure, axis = plt.subplots(figsize=(6, 4))
for name, (milliseconds, accuracy, _) in results.items():
    axis.plot(milliseconds, 100 * accuracy, "o")
    axis.annotate(name, (milliseconds, 100 * accuracy), xytext=(5, 5), textcoords="offset points")
axis.set_xscale("log")
axis.set_xlabel("ms a text, one at a time")
axis.set_ylabel("accuracy, %")
plt.show()
