// A SetFit model's head: the LogisticRegression of scikit-learn in model_head.pkl.
//
// Is: its coefficients, intercepts, classes and the labels of config_setfit.json, as data; nothing
// of the pickle is run. Is not: the embedding in front of it. May use: base, tensor.
// Source: setfit/modeling.py, SetFitModel; sklearn/linear_model/_logistic.py, predict_proba()
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace tamis {

inline constexpr std::string_view kSetFitHead = "model_head.pkl";

/// Probabilities are softmax(weight * embedding + bias). A binary head has one row w of
/// scikit-learn, of which sigmoid(w x + b) is the second class's: here it has -w / 2 and w / 2,
/// whose softmax is the same.
struct SetFitHead {
  std::shared_ptr<const Tensor> weight;  ///< F32 [labels, features]
  std::shared_ptr<const Tensor> bias;    ///< F32 [labels]
  std::vector<std::string> labels;
  bool normalize = false;  ///< the embedding to unit length first: normalize_embeddings
};

/// Nothing if the folder has no model_head.pkl. Throws Error: kUnsupported naming file and what is
/// not built (another head, a compressed file, one-vs-rest of several classes), kCorruptData.
[[nodiscard]] std::optional<SetFitHead> read_setfit_head(const std::filesystem::path& folder);

/// model_head.pkl from its bytes; `labels` are those of config_setfit.json, empty for none.
[[nodiscard]] SetFitHead parse_setfit_head(std::string_view pickle, const std::string& source,
                                           const std::vector<std::string>& labels);

}  // namespace tamis
