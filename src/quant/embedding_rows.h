// How the embedding tables of a graph are stored: as they are, in half precision, in 8 bits.
//
// Is: which constants are such tables, and their conversion. Is not: a choice between the three
// (optimize). May use: graph, kernels/reference.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace tamis::quant {

enum class EmbeddingStorage : uint8_t {
  kAsStored,  ///< "fp32": what the checkpoint has, no bit changed
  kHalf,      ///< "fp16": F16; tables of 16 bits stay what they are
  kInt8,      ///< "int8": I8 rows with a scale each for tables of token ids, F16 for the others
};

/// "fp32", "fp16" or "int8".
[[nodiscard]] std::string_view embedding_storage_name(EmbeddingStorage storage);
[[nodiscard]] std::optional<EmbeddingStorage> embedding_storage_from_name(std::string_view name);

/// A table that stays as it is, and why.
struct KeptTable {
  std::string name;
  std::string reason;
  bool fits = true;  ///< false: its values cannot be stored as asked
};

/// Bytes count each constant once.
struct EmbeddingReport {
  int64_t tables = 0;
  int64_t in_integers = 0;  ///< of the tables
  int64_t bytes_before = 0;
  int64_t bytes_after = 0;  ///< scales included
  std::vector<KeptTable> kept;
};

/// Stores the tables of Gather and EmbedLayerNormalization anew. A table that something else reads
/// too (the decoder of a masked-word head, tied to it) stays as it is, as two constants would be
/// larger than one; so does a table with values beyond 65504 in half precision.
EmbeddingReport store_embeddings(graph::Graph& graph, EmbeddingStorage storage);

}  // namespace tamis::quant
