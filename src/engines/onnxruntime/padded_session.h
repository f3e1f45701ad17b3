// Runs of ragged batches on a model of padded ones.
//
// Is: padding by groups of like lengths, and each sequence's rows out of what comes back. Is not:
// the model. May use: engine, kernels/reference.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/batch_builder.h"
#include "engine/engine.h"
#include "engines/onnxruntime/ort_model.h"
#include "engines/onnxruntime/pad_groups.h"

namespace tamis::engines::onnxruntime {

/// What all sessions of an engine share.
struct PaddedModel {
  std::shared_ptr<const OrtModel> model;
  std::string name;  ///< for errors
  std::vector<engine::OpaqueOutput> outputs;
  std::vector<std::string> parts;  ///< all that the outputs are made of
  engine::BatchLimits limits;
  bool masked = false;  ///< it reads an attention_mask: else padding would be attended to
};

class PaddedSession final : public engine::Session {
 public:
  explicit PaddedSession(std::shared_ptr<const PaddedModel> shared) : shared_(std::move(shared)) {}

  void run(const engine::PackedBatch& batch, engine::Outputs& outputs,
           const engine::RunControl& control) override;

  /// Columns of the output's parts in a run of two tokens; checks that they are rows of its unit.
  [[nodiscard]] int64_t probe_width(const engine::OpaqueOutput& output);

 private:
  std::vector<OrtOutput> run_group(const engine::PackedBatch& batch, const PadGroup& group);
  void read_part(const OrtOutput& part, const std::string& name, const PadGroup& group,
                 bool tokens);
  void scatter(const engine::PackedBatch& batch, const engine::RowMap& map, const PadGroup& group,
               size_t output, const std::vector<OrtOutput>& parts);
  [[noreturn]] void refuse_width(const std::string& output, int64_t found, int64_t width) const;

  std::shared_ptr<const PaddedModel> shared_;
  std::vector<std::vector<std::byte>> inputs_;  // of each of the model's
  std::vector<float*> results_;                 // of each output
  std::vector<float> halves_;                   // a part in float32
  const float* rows_ = nullptr;                 // of the part that is read
  int64_t columns_ = 0;
};

}  // namespace tamis::engines::onnxruntime
