// Helpers of this module's tests: the committed checkpoints, and inputs for each task.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "formats/test_util.h"
#include "model/loaded_model.h"
#include "tensor/widened.h"

namespace tamis::api {

inline std::filesystem::path testdata(const std::string& name) {
  return std::filesystem::path(TAMIS_TESTDATA) / name;
}

/// Under ThreadSanitizer, ten times slower, BERTs alone: threads do not know one family from
/// another.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kEveryCheckpoint = false;
#else
inline constexpr bool kEveryCheckpoint = true;
#endif

/// Every folder of testdata that holds a checkpoint with a tokenizer, by its path in testdata.
inline std::vector<std::string> checkpoint_names() {
  std::vector<std::string> names;
  for (const char* parent : {"models", "models/variants", "sentence-transformers", "retrieval"}) {
    for (const auto& entry : std::filesystem::directory_iterator(testdata(parent))) {
      if (!std::filesystem::exists(entry.path() / "config.json") &&
          !std::filesystem::exists(entry.path() / "modules.json")) {
        continue;
      }
      names.push_back(std::string(parent) + "/" + entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  std::erase_if(names, [](const std::string& name) {
    return !kEveryCheckpoint && !name.starts_with("models/bert-");
  });
  return names;
}

/// A test's name of such a path.
inline std::string checkpoint_test_name(const testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '/'; }, '_');
  return name;
}

inline ModelOptions on_threads(int threads) {
  ModelOptions options;
  options.pool = std::make_shared<ThreadPool>(threads);
  return options;
}

inline std::shared_ptr<const LoadedModel> load_checkpoint(const std::string& name) {
  return LoadedModel::load(resolve_model(testdata(name).string()), on_threads(2));
}

/// The graph with its stored floats as float32.
inline graph::Graph in_float32(graph::Graph graph) {
  for (size_t i = 0; i < graph.value_count(); ++i) {
    graph::Value& value = graph.value(static_cast<graph::ValueId>(i));
    if (value.constant == nullptr || !is_stored_float(value.dtype)) continue;
    value.constant = widened(value.constant);
    value.dtype = DType::kF32;
  }
  return graph;
}

/// Inputs of many lengths that the model's task can run.
inline std::vector<tasks::TaskInput> example_inputs(const LoadedModel& model) {
  std::string mask;
  if (const auto id = model.tokenizer().special_ids().mask) {
    mask = model.tokenizer().id_to_token(*id);
  }
  std::vector<tasks::TaskInput> inputs;
  std::string text = "Anna";
  for (int i = 0; i < 7; ++i) {
    tasks::TaskInput input{text};
    if (model.task() == tasks::TaskKind::kQa) input = {"Who sold the table?", text};
    if (model.task() == tasks::TaskKind::kRerank) input = {"Who?", std::nullopt, {text, "No."}};
    if (model.task() == tasks::TaskKind::kFillMask) input.text.insert(0, mask + " ").append(".");
    inputs.push_back(input);
    text += i % 2 == 0 ? " sold the table, in Zürich." : " " + text;
  }
  return inputs;
}

/// The raw output of each input, run in batches of at most `max_batch_tokens`, by the model's
/// runner or by another of its engines.
inline std::vector<std::vector<float>> raw_outputs(const LoadedModel& model,
                                                   const std::vector<tasks::TaskInput>& inputs,
                                                   int64_t max_batch_tokens,
                                                   Runner* other = nullptr) {
  std::vector<tasks::Encoded> encoded;
  for (const tasks::TaskInput& input : inputs) {
    encoded.push_back(model.encode(input, tasks::default_options(model.task())));
  }
  std::vector<std::vector<float>> rows(inputs.size());
  Runner& runner = other == nullptr ? model.runner() : *other;
  runner.run(encoded, max_batch_tokens, [&](size_t i, std::span<const tasks::OutputView> outputs) {
    const auto values = outputs[0].tensor.as<float>();
    rows[i].assign(values.begin(), values.end());
  });
  return rows;
}

}  // namespace tamis::api
