// How the embedding tables of a plan are stored.
//
// Is: what was asked for, or the smaller form where the budget hardly notices. Is not: the storing
// (quant/embedding_rows.h), or the measuring. May use: budget, quant.
#pragma once

#include <functional>
#include <optional>

#include "graph/graph.h"
#include "optimize/budget.h"
#include "quant/embedding_rows.h"

namespace tamis::api {

/// How the embedding tables are stored, and what that alone loses.
struct EmbeddingChoice {
  quant::EmbeddingStorage storage = quant::EmbeddingStorage::kAsStored;
  quant::EmbeddingReport report;
  /// The checkpoint in fp32 with these tables against itself, on the held-out texts; nothing where
  /// there are none.
  std::optional<Evaluation> evaluation;
};

/// A marked graph with its tables as the bundle has them.
struct StoredTables {
  graph::Graph marked;
  EmbeddingChoice choice;
  /// The graph of plans in float, where that is another than `marked` without its marks: weights
  /// that were trained alone are rounded there.
  std::optional<graph::Graph> in_float = std::nullopt;
};

/// Stores the tables as `asked`, or `otherwise` if nobody asked. Throws Error{kUnsupported} for a
/// table that cannot be stored as asked.
[[nodiscard]] EmbeddingChoice store_tables(graph::Graph& graph,
                                           std::optional<quant::EmbeddingStorage> asked,
                                           quant::EmbeddingStorage otherwise);

/// A graph's answers in fp32, its marks off, on the held-out texts.
using MeasureTables = std::function<Evaluation(const graph::Graph& graph)>;

/// As asked; else in 8 bits if there is a budget (`tried`) of which that alone takes at most a
/// tenth, and there is a table to make integers of; else in half precision. Measures each way that
/// it considers once.
[[nodiscard]] StoredTables choose_tables(const graph::Graph& marked,
                                         std::optional<quant::EmbeddingStorage> asked,
                                         const std::optional<Budget>& tried,
                                         const MeasureTables& measure);

}  // namespace tamis::api
