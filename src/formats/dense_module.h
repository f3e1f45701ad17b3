// A Dense module of sentence-transformers: a linear layer and an activation.
//
// Is: its config and tensors, checked. Is not: the order of modules. May use: base, tensor.
// Source: sentence_transformers/base/modules/dense.py, Dense.config_keys
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/activation.h"
#include "formats/config_file.h"
#include "formats/stored_tensor.h"
#include "tensor/tensor.h"

namespace tamis {

/// Of a module's input and output.
inline constexpr int64_t kMaxFeatures = 1 << 20;

/// activation(weight * x + bias), and with use_residual + residual * x.
struct DenseConfig {
  int64_t in_features = 0;
  int64_t out_features = 0;
  Activation activation = Activation::kTanh;
  std::shared_ptr<const Tensor> weight;  ///< [out_features, in_features], a float dtype
  std::shared_ptr<const Tensor> bias;    ///< [out_features], a float dtype; null: none
  std::string folder;                    ///< "2_Dense", for names and messages
  bool by_token = false;                 ///< works on the tokens' vectors, not on the pooled one
  bool use_residual = false;             ///< the input is added behind the activation ...
  /// ... through this weight, as `weight`; null where in_features equals out_features.
  std::shared_ptr<const Tensor> residual = {};
};

/// `folder`/config.json and its weights; `name` is what the folder is called in messages.
/// `by_token` says what a file that does not say works on. Throws Error: kUnsupported (an
/// activation or key that is not built), kCorruptData, kNotFound (a tensor that is needed).
[[nodiscard]] DenseConfig read_dense(const std::filesystem::path& folder, std::string_view name,
                                     bool by_token);

/// Whether a module's config says that it works on the tokens' vectors; `usual` where it does not
/// say. Throws kUnsupported for other names than "token_embeddings" and "sentence_embedding", or an
/// output that is not the input.
[[nodiscard]] bool reads_tokens(const ConfigObject& file, bool usual);

/// The tensor of that name and shape, of a float dtype, all its values finite; `folder` is what
/// lacks it. Throws kNotFound, kCorruptData, kUnsupported.
[[nodiscard]] std::shared_ptr<const Tensor> module_tensor(const std::vector<StoredTensor>& weights,
                                                          std::string_view name, const Shape& shape,
                                                          const std::filesystem::path& folder);

}  // namespace tamis
