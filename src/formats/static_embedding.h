// The table of a StaticEmbedding: one row for each token id.
//
// Is: the tensors of sentence-transformers' module and of model2vec's folders, checked and made one
// table. Is not: the order of modules, a tokenizer, arithmetic on texts. May use: base, tensor.
// Source: sentence_transformers/sentence_transformer/modules/static_embedding.py, load() and
// _fold_model2vec_weights(); model2vec/persistence/persistence.py
#pragma once

#include <filesystem>
#include <memory>

#include "tensor/tensor.h"

namespace tamis {

/// [ids, n], F32, F16 or BF16, all values finite. Of `embedding.weight`, or of model2vec's
/// `embeddings`: row mapping[id] of it times weights[id], where the folder has these. Throws Error:
/// kNotFound (no weights, or neither name among them), kCorruptData naming file and tensor (another
/// rank or length, no rows, a row that is not there, not finite), kUnsupported (a dtype).
[[nodiscard]] std::shared_ptr<const Tensor> read_static_embedding(
    const std::filesystem::path& folder);

}  // namespace tamis
