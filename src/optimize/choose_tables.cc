#include "optimize/choose_tables.h"

#include "base/error.h"

namespace tamis::api {

using quant::EmbeddingStorage;

namespace {

// Of the budget, that tables of integers may take by themselves.
constexpr double kShareOfBudget = 0.1;

}  // namespace

EmbeddingChoice store_tables(graph::Graph& graph, std::optional<EmbeddingStorage> asked,
                             EmbeddingStorage otherwise) {
  const EmbeddingStorage storage = asked.value_or(otherwise);
  EmbeddingChoice choice{storage, quant::store_embeddings(graph, storage), std::nullopt};
  for (const quant::KeptTable& table : choice.report.kept) {
    if (!asked || table.fits) continue;
    fail(ErrorCode::kUnsupported, "--embeddings ", quant::embedding_storage_name(storage), ": \"",
         table.name, "\": ", table.reason, ", the most in half precision; accepted is fp32");
  }
  return choice;
}

StoredTables choose_tables(const graph::Graph& marked, std::optional<EmbeddingStorage> asked,
                           const std::optional<Budget>& tried, const MeasureTables& measure) {
  if (!asked && tried) {
    StoredTables small{marked, {}};
    small.choice = store_tables(small.marked, std::nullopt, EmbeddingStorage::kInt8);
    if (small.choice.report.in_integers > 0) {
      small.choice.evaluation = measure(small.marked);
      const double loss = deciding_loss(loss_of(*small.choice.evaluation, *tried), *tried);
      if (loss <= kShareOfBudget * tried->limit) return small;
    }
  }
  StoredTables made{marked, {}};
  made.choice = store_tables(made.marked, asked, EmbeddingStorage::kHalf);
  made.choice.evaluation = measure(made.marked);
  return made;
}

}  // namespace tamis::api
