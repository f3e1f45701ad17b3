#include "quant/embedding_rows.h"

#include <algorithm>
#include <map>

#include "base/bf16.h"
#include "base/error.h"
#include "kernels/reference/quantize.h"
#include "tensor/widened.h"

namespace tamis::quant {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

constexpr std::string_view kNames[] = {"fp32", "fp16", "int8"};

/// Where a node has a table, and what indexes it.
struct TableSlot {
  Operand table;
  Operand ids;
};
constexpr TableSlot kSlots[] = {{Operand::kTable, Operand::kIds},
                                {Operand::kPosition, Operand::kPositionIds},
                                {Operand::kType, Operand::kTypeIds}};

bool has_tables(const Node& node) {
  return node.op == OpKind::kGather || node.op == OpKind::kEmbedLayerNormalization;
}

/// A constant that is a table, and all that read it.
struct Table {
  std::vector<size_t> nodes;
  bool of_token_ids = true;  ///< every reader's ids are of the vocabulary, in kTable
};

// An output that is rows of a table as they are, and that no layer reads, is the tasks' (the
// weights of queries that no model reads).
std::map<ValueId, Table> find_tables(const Graph& graph) {
  std::map<ValueId, Table> tables;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    const bool plain_output = node.op == OpKind::kGather && graph.is_output(node.output) &&
                              graph.consumers(node.output).empty();
    if (!has_tables(node) || plain_output) continue;
    for (const TableSlot& slot : kSlots) {
      const ValueId id = node.operand(slot.table);
      if (id == kNoValue || !is_stored_float(graph.value(id).dtype)) continue;
      Table& table = tables[id];
      table.nodes.push_back(i);
      table.of_token_ids = table.of_token_ids && slot.table == Operand::kTable &&
                           graph::are_word_ids(graph, node.operand(slot.ids));
    }
  }
  return tables;
}

// Why the table stays; "" where it need not.
std::string reason_to_stay(const Graph& graph, ValueId id, const Table& table) {
  const std::vector<int> readers = graph.consumers(id);
  const bool others = std::any_of(readers.begin(), readers.end(), [&](int reader) {
    const auto index = static_cast<size_t>(reader);
    return std::find(table.nodes.begin(), table.nodes.end(), index) == table.nodes.end();
  });
  return others || graph.is_output(id) ? "a linear layer reads it too" : "";
}

// Null if a value does not fit.
std::shared_ptr<const Tensor> halves(const Tensor& floats) {
  Tensor out(DType::kF16, floats.shape());
  const auto x = floats.as<float>();
  const auto y = out.mutable_as<uint16_t>();
  for (size_t i = 0; i < x.size(); ++i) {
    if (!(x[i] >= -kMostHalf && x[i] <= kMostHalf)) return nullptr;
    y[i] = float_to_f16(x[i]);
  }
  return std::make_shared<const Tensor>(std::move(out));
}

/// Rows of integers and their scales.
struct IntegerRows {
  std::shared_ptr<const Tensor> rows;
  std::shared_ptr<const Tensor> scales;
};

IntegerRows integer_rows(const Tensor& table) {
  const int64_t count = table.shape()[0];
  const auto n = static_cast<size_t>(table.shape()[1]);
  Tensor rows(DType::kI8, table.shape());
  Tensor scales(DType::kF32, Shape{count});
  std::vector<float> row(n);
  for (int64_t i = 0; i < count; ++i) {
    copy_float32(table.rows(i, i + 1).view(), row);
    const auto q = rows.mutable_as<int8_t>().subspan(static_cast<size_t>(i) * n, n);
    scales.mutable_as<float>()[static_cast<size_t>(i)] =
        kernels::reference::quantize_weight_row(row, q);
  }
  return {std::make_shared<const Tensor>(std::move(rows)),
          std::make_shared<const Tensor>(std::move(scales))};
}

void set_constant(graph::Value& value, std::shared_ptr<const Tensor> tensor) {
  value.dtype = tensor->dtype();
  value.constant = std::move(tensor);
}

class Conversion {
 public:
  Conversion(Graph& graph, EmbeddingStorage storage) : graph_(graph), storage_(storage) {}

  EmbeddingReport run() {
    for (const auto& [id, table] : find_tables(graph_)) {
      const auto before = static_cast<int64_t>(graph_.value(id).constant->size_bytes());
      ++report_.tables;
      report_.bytes_before += before;
      const std::string stays = reason_to_stay(graph_, id, table);
      if (storage_ != EmbeddingStorage::kAsStored && !stays.empty()) {
        report_.kept.push_back({graph_.value(id).name, stays});
      } else if (storage_ == EmbeddingStorage::kInt8 && table.of_token_ids) {
        to_integers(id, table);
      } else if (storage_ != EmbeddingStorage::kAsStored) {
        to_halves(id);
      }
      report_.bytes_after += static_cast<int64_t>(graph_.value(id).constant->size_bytes());
    }
    return std::move(report_);
  }

 private:
  void to_halves(ValueId id) {
    graph::Value& value = graph_.value(id);
    if (value.dtype != DType::kF32) return;
    if (std::shared_ptr<const Tensor> made = halves(*value.constant)) {
      set_constant(value, std::move(made));
    } else {
      report_.kept.push_back({value.name, "it has values beyond 65504", false});
    }
  }

  void to_integers(ValueId id, const Table& table) {
    IntegerRows made = integer_rows(*graph_.value(id).constant);
    report_.bytes_after += static_cast<int64_t>(made.scales->size_bytes());
    ++report_.in_integers;
    set_constant(graph_.value(id), std::move(made.rows));
    const ValueId scales =
        graph_.add_constant(cat(graph_.value(id).name, ".scale"), std::move(made.scales));
    for (const size_t index : table.nodes) {
      graph_.nodes()[index].set_operand(Operand::kWeightScale, scales);
    }
  }

  Graph& graph_;
  EmbeddingStorage storage_;
  EmbeddingReport report_;
};

}  // namespace

std::string_view embedding_storage_name(EmbeddingStorage storage) {
  return kNames[static_cast<size_t>(storage)];
}

std::optional<EmbeddingStorage> embedding_storage_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<EmbeddingStorage>(i);
  }
  return std::nullopt;
}

EmbeddingReport store_embeddings(Graph& graph, EmbeddingStorage storage) {
  return Conversion(graph, storage).run();
}

}  // namespace tamis::quant
