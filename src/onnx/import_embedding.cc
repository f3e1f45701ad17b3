// Rows of tables: words, segments, positions.
#include <algorithm>

#include "onnx/import_distances.h"
#include "onnx/rules/position_rule.h"

namespace tamis::onnx {

using graph::OpKind;
using graph::ValueId;

namespace {

void check_table(const Step& step, const Known& table) {
  if (table.is_constant() && table.dims().size() == 2) return;
  step.op.refuse("\"", table.name(), "\" is no constant table of rows");
}

// The table from row `first` on.
ValueId table_from(Importer& importer, const Step& step, const Known& table, int64_t first) {
  const ValueId whole = importer.weight(step, table, false);
  if (first == 0) return whole;
  const graph::Value& value = importer.graph().value(whole);
  const int64_t rows = value.constant->shape()[0];
  if (first < 0 || first >= rows) step.op.refuse("positions from row ", first, " of ", rows);
  auto part = std::make_shared<const Tensor>(value.constant->rows(first, rows));
  return importer.graph().add_constant(cat(value.name, ".", first), part);
}

ValueId positions(Importer& importer, const Step& step, const Known& table, const IdsRule& rule) {
  check_table(step, table);
  const bool roberta = rule.kind == IdsKind::kRobertaPositions;
  const int64_t unused = roberta ? rule.offset + 1 : rule.offset;
  importer.limit_positions(table.dims()[0] - unused);
  const graph::PositionIdsAttributes attributes =
      roberta ? graph::PositionIdsAttributes{graph::PositionRule::kRoberta, rule.offset}
              : graph::PositionIdsAttributes{};
  const ValueId rows = table_from(importer, step, table, roberta ? 0 : rule.offset);
  const ValueId ids = importer.emit(step, OpKind::kPositionIds, {importer.input_ids()}, attributes);
  return importer.emit(step, OpKind::kGather, {rows, ids});
}

// What a decoder reads.
ValueId shifted(Importer& importer, const Step& step, const IdsRule& rule) {
  graph::ShiftIdsAttributes attributes;
  (rule.kind == IdsKind::kShifted ? attributes.first : attributes.padding_idx) = rule.offset;
  return importer.emit(step, OpKind::kShiftIds, {importer.input_ids()}, attributes);
}

ValueId lookup(Importer& importer, const Step& step, const Known& table, const IdsRule& rule) {
  switch (rule.kind) {
    case IdsKind::kInputIds:
      return importer.emit(step, OpKind::kGather,
                           {importer.weight(step, table, false), importer.input_ids()});
    case IdsKind::kConstant:  // of a table with one row
    case IdsKind::kTokenTypeIds:
      return importer.emit(step, OpKind::kGather,
                           {importer.weight(step, table, false), importer.token_type_ids()});
    case IdsKind::kPositions:
    case IdsKind::kRobertaPositions:
      return positions(importer, step, table, rule);
    case IdsKind::kShifted:
    case IdsKind::kShiftedFromEnd:
      return importer.emit(step, OpKind::kGather,
                           {importer.weight(step, table, false), shifted(importer, step, rule)});
  }
  return graph::kNoValue;
}

// One row of the table, for all tokens.
ImportValue constant_row(Importer& importer, const Step& step, const Known& table, int64_t row) {
  const int64_t rows = table.dims()[0];
  const int64_t columns = table.dims()[1];
  if (row < 0 || row >= rows) step.op.refuse("row ", row, " of a table of ", rows);
  std::vector<double> values;
  for (int64_t i = 0; i < columns; ++i) values.push_back(table.at(0)[row * columns + i]);
  const std::string name = importer.unused_name(cat(table.name(), ".", row));
  return {
      std::make_shared<Known>(name, make_array({1, 1, columns}, table.type(), std::move(values))),
      nullptr};
}

// [batch or 1, tokens, columns], as the ids lie.
Layout layout_of(const Importer& importer, const Known& ids, int64_t columns) {
  const Dims dims = ids.dims(0);
  Layout layout = Layout::rows(columns);
  if (dims.size() == 1) return layout.without_axis(0);
  return dims[0] == importer.probes()[0].sizes.sequences ? layout : layout.with_axis(0, {});
}

ValueId embedded(Importer& importer, const Step& step, size_t table, size_t ids) {
  const ImportValue rows = make_embedding(importer, step, step.known(table), step.known(ids));
  if (rows.hidden == nullptr) step.op.refuse("input ", ids, " names one row for all tokens");
  return rows.hidden->value;
}

// Of segments: one row for all tokens where the exporter had no token_type_ids.
ValueId segments(Importer& importer, const Step& step) {
  const ImportValue rows = make_embedding(importer, step, step.known(4), step.known(1));
  return rows.hidden != nullptr ? rows.hidden->value
                                : importer.vector(step, *rows.known, step.known(4).dims()[1]);
}

// The number of tokens of each sequence, ONNX Runtime's mask_index.
ImportValue token_counts(const Step& step, const Known& mask) {
  ProbeArrays counts;
  for (size_t p = 0; p < kProbes; ++p) {
    const Array& array = mask.at(p);
    if (array.dims.size() != 2) step.op.refuse("a mask that is not [batch, sequence]");
    std::vector<double> sums(static_cast<size_t>(array.dims[0]), 0);
    for (int64_t i = 0; i < array.elements(); ++i) {
      sums[static_cast<size_t>(i / array.dims[1])] += array[i];
    }
    counts[p] = make_array({array.dims[0]}, ElementType::kInt32, std::move(sums));
  }
  return {std::make_shared<Known>("mask_index", std::move(counts)), nullptr};
}

// The table with as many rows again, of keys behind their query, which a mask must hide.
ValueId with_rows_behind(Importer& importer, const Known& table) {
  const Array& rows = table.at(0);
  std::vector<float> values(rows.data->begin(), rows.data->end());
  values.resize(2 * values.size(), 0.0f);
  return importer.constant(table.name(), Shape{2 * rows.dims[0], rows.dims[1]}, values);
}

// [tokens, keys, heads] of rows by T5's rule.
ImportValue bias_of_rows(ValueId rows, int64_t columns, int64_t max_distance) {
  ImportValue bias = {nullptr, std::make_shared<Hidden>()};
  bias.hidden->form = Form::kDistanceBias;
  bias.hidden->value = rows;
  bias.hidden->max_distance = max_distance;
  bias.hidden->layout = Layout({{{Axis::kToken}}, {{Axis::kKey}}, Layout::rows(columns)[2]});
  return bias;
}

// The bias of ids that follow distances by any other rule, such as T5's in half precision, which
// rounds its edges: as so many of T5's buckets that each distance has one of its own. Absent: the
// ids depend on more.
ImportValue bias_of_distances(Importer& importer, const Step& step, const Known& table,
                              const Known& ids) {
  const auto rule = ids_by_distance(ids.all(), importer.probes());
  const Dims dims = table.dims();
  const auto outside = [&](int64_t id) { return id < 0 || id >= dims[0]; };
  if (!rule || std::ranges::any_of(rule->ids, outside)) return {};
  const int64_t own = rule->reach + 1;
  const auto stored = float_tensor(table, false, step.op.label());
  std::vector<float> rows;
  for (const int64_t side : {-1, 1}) {
    // Of 2 * own buckets on a side the second half are those of distances beyond the probes.
    for (int64_t i = 0; i < 2 * own; ++i) {
      const int64_t distance = side * std::min(i, rule->reach);
      const int64_t id = rule->ids[static_cast<size_t>(distance + rule->reach)];
      const auto row = stored->as<float>().subspan(static_cast<size_t>(id * dims[1]),
                                                   static_cast<size_t>(dims[1]));
      rows.insert(rows.end(), row.begin(), row.end());
    }
  }
  importer.limit_to_probes();
  const std::string name = cat(table.name(), ".distances");
  return bias_of_rows(importer.constant(name, Shape{4 * own, dims[1]}, rows), dims[1], own + 1);
}

// [tokens, keys, heads] of a table that ids by distance look into; absent if they are others.
ImportValue distance_bias(Importer& importer, const Step& step, const Known& table,
                          const Known& ids) {
  const auto both =
      t5_max_distance(ids.all(), importer.probes(), table.dims()[0], BucketSides::kBoth);
  const auto most =
      both ? both
           : t5_max_distance(ids.all(), importer.probes(), table.dims()[0], BucketSides::kBefore);
  if (!most) return {};
  if (!most->is_certain) importer.limit_to_probes();
  ImportValue bias =
      bias_of_rows(both ? importer.weight(step, table, false) : with_rows_behind(importer, table),
                   table.dims()[1], most->max_distance);
  bias.hidden->causal_bias = !both;
  return bias;
}

}  // namespace

ImportValue make_embedding(Importer& importer, const Step& step, const Known& table,
                           const Known& ids) {
  check_table(step, table);
  if (const ImportValue bias = distance_bias(importer, step, table, ids); !bias.absent()) {
    return bias;
  }
  if (const ImportValue rows = rows_of_distances(importer, step, table, ids); !rows.absent()) {
    return rows;
  }
  if (const ImportValue bias = bias_of_distances(importer, step, table, ids); !bias.absent()) {
    return bias;
  }
  const auto rule = ids_rule(ids.all(), importer.probes());
  if (!rule) {
    step.op.refuse("\"", ids.name(),
                   "\" is neither input_ids, in their places or one on, nor token_type_ids, nor "
                   "positions by BERT's or RoBERTa's rule");
  }
  const bool shifted = rule->kind == IdsKind::kShifted || rule->kind == IdsKind::kShiftedFromEnd;
  if (ids.ids_use() == IdsUse::kOther && !shifted) {
    step.op.refuse("\"", ids.name(),
                   "\" depends on ids, but is neither them nor made by comparing them with one id");
  }
  importer.limit_to(ids.holds_for());
  if (rule->kind == IdsKind::kConstant && table.dims()[0] != 1) {
    return constant_row(importer, step, table, rule->offset);
  }
  return importer.rows(lookup(importer, step, table, *rule),
                       layout_of(importer, ids, table.dims()[1]));
}

std::vector<ImportValue> import_embed_layer_norm(Importer& importer, const Step& step) {
  // input_ids, segment_ids?, words, positions, segments?, gamma, beta, mask?, position_ids?
  const ValueId words = embedded(importer, step, 2, 0);
  ValueId sum = words;
  if (step.has(1) && step.has(4)) {
    sum = importer.emit(step, OpKind::kAdd, {sum, segments(importer, step)});
  }
  const ValueId places = step.has(8)
                             ? embedded(importer, step, 3, 8)
                             : positions(importer, step, step.known(3), {IdsKind::kPositions, 0});
  sum = importer.emit(step, OpKind::kAdd, {sum, places});
  const ImportValue rows = importer.rows(sum, Layout::rows(step.known(2).dims()[1]));
  const ImportValue y = make_norm(importer, step, *rows.hidden, &step.known(5), &step.known(6),
                                  step.op.number("epsilon", 1e-12));
  return {y, step.has(7) ? token_counts(step, step.known(7)) : ImportValue{}, rows};
}

}  // namespace tamis::onnx
