#include "onnx/import_positions.h"

#include <algorithm>
#include <array>

#include "onnx/rules/position_rule.h"

namespace tamis::onnx {

using graph::ValueId;

namespace {

// Each axis by its stride over the constant's elements.
Layout strided(std::span<const int64_t> dims) {
  std::vector<AtomGroup> axes;
  const Dims strides = strides_of(dims);
  for (size_t i = 0; i < dims.size(); ++i) {
    AtomGroup& group = axes.emplace_back();
    if (dims[i] != 1) group.push_back({Axis::kColumn, dims[i], strides[i]});
  }
  return Layout(std::move(axes));
}

ImportValue table_of(std::shared_ptr<const Known> known, Layout layout) {
  ImportValue table = {nullptr, std::make_shared<Hidden>()};
  table.hidden->form = Form::kTable;
  table.hidden->known = std::move(known);
  table.hidden->layout = std::move(layout);
  return table;
}

// Heads of places: more than a row of numbers that is spread, as a mask or a row of frequencies is.
bool is_stack(const Known& known) {
  const Dims dims = known.dims();
  return dims.size() >= 3 && dims[dims.size() - 1] > 1 && dims[dims.size() - 2] > 1;
}

// The dims that Expand or Tile asks for in a probe.
Dims repeated_dims(const Step& step, const Dims& dims, size_t probe) {
  const std::vector<int64_t> wanted = step.known(1).at(probe).integers();
  if (step.op.type() == "Expand") return broadcast_dims(dims, wanted);
  if (wanted.size() != dims.size()) return {};
  Dims result = dims;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (__builtin_mul_overflow(dims[i], wanted[i], &result[i])) return {};
  }
  return result;
}

// Copies of the whole for each sequence, in front; or the constant itself.
ImportValue repeated(const Importer& importer, const Step& step) {
  const auto& known = step.inputs[0].known;
  if (!is_stack(*known)) return {};
  const Dims dims = known->dims();
  bool same = true;
  bool copies = true;
  for (size_t p = 0; p < kProbes; ++p) {
    Dims wanted = dims;
    wanted[0] *= importer.probes()[p].sizes.sequences;
    const Dims got = repeated_dims(step, dims, p);
    same = same && got == dims;
    copies = copies && got == wanted;
  }
  if (!same && !copies) return {};
  if (same) return step.inputs[0];
  const Layout layout = strided(dims);
  // Expand repeats an axis of size 1 alone, Tile the copies outermost.
  AtomGroup first = layout[0];
  first.insert(first.begin(), Atom{Axis::kSequence});
  return table_of(known, layout.with_axis(0, std::move(first)));
}

// Rows [middle - tokens, middle + tokens) in every probe.
ImportValue cut_around_middle(Importer& importer, const Step& step) {
  const auto& known = step.inputs[0].known;
  const Dims dims = known->dims();
  if (dims.size() != 2 || dims[0] < 2 || dims[0] % 2 != 0) return {};
  const int64_t middle = dims[0] / 2;
  for (size_t p = 0; p < kProbes; ++p) {
    Inputs inputs;
    for (const ImportValue& input : step.inputs) {
      inputs.push_back(input.absent() ? nullptr : &input.known->at(p));
    }
    const std::vector<SliceRange> ranges = slice_ranges(step.op, dims, inputs);
    const int64_t reach = std::min(importer.probes()[p].sizes.tokens, middle);
    const bool fits = ranges.size() == 1 && ranges[0].axis == 0 && ranges[0].step == 1 &&
                      ranges[0].first == middle - reach && ranges[0].count == 2 * reach;
    if (!fits) return {};
  }
  // Of longer sequences not every exporter's ids stay inside the table.
  importer.limit_positions(middle);
  return table_of(known,
                  Layout({{{Axis::kPlace, dims[0], dims[1]}}, {{Axis::kColumn, dims[1], 1}}}));
}

// Rows and columns of a table that lies as its constant does, sizes of 1 aside.
bool lies_plainly(const Hidden& table) {
  const int64_t columns = table.known->dims().back();
  const size_t rank = table.layout.rank();
  if (rank < 2 || table.function) return false;
  for (size_t i = 0; i + 2 < rank; ++i) {
    if (!table.layout[i].empty()) return false;
  }
  const AtomGroup& rows = table.layout[rank - 2];
  return rows.size() == 1 && rows[0].stride == columns &&
         table.layout[rank - 1] == AtomGroup{{Axis::kColumn, columns, 1}};
}

// The table with other values under the same rows.
ImportValue with_values(const Hidden& table, std::shared_ptr<const Known> known) {
  const int64_t columns = known->dims().back();
  const size_t rank = table.layout.rank();
  AtomGroup rows = table.layout[rank - 2];
  rows[0].stride = columns;
  ImportValue result = {nullptr, std::make_shared<Hidden>(table)};
  result.hidden->known = std::move(known);
  result.hidden->layout = table.layout.with_axis(rank - 2, std::move(rows))
                              .with_axis(rank - 1, {{Axis::kColumn, columns, 1}});
  return result;
}

// What the last axes of a table are to heads: strides of a head, a place and a column.
struct TableAxes {
  Atom head = {Axis::kColumn, 1, 0};
  Atom place;
  Atom column;
};

std::optional<TableAxes> axes_of_table(const Hidden& table, const Heads& heads) {
  const size_t rank = table.layout.rank();
  if (rank < 3) return std::nullopt;
  AtomGroup lead;
  for (size_t i = 0; i + 2 < rank; ++i) {
    for (const Atom& atom : table.layout[i]) {
      if (!(lead.empty() && atom.axis == Axis::kSequence)) lead.push_back(atom);
    }
  }
  const AtomGroup& columns = table.layout[rank - 2];
  const AtomGroup& places = table.layout[rank - 1];
  TableAxes axes;
  if (columns.size() != 1 || places.size() != 1 || lead.size() > 1) return std::nullopt;
  if (!lead.empty()) axes.head = lead[0];
  axes.place = places[0];
  axes.column = columns[0];
  const bool fits = axes.head.axis == Axis::kColumn && axes.head.size == heads.count &&
                    axes.column.axis == Axis::kColumn && axes.column.size == heads.size &&
                    (axes.place.axis == Axis::kColumn || axes.place.axis == Axis::kPlace);
  return fits ? std::optional(axes) : std::nullopt;
}

// [places, heads * size] of the table's numbers.
std::shared_ptr<const std::vector<float>> rows_of_places(const Array& array,
                                                         const TableAxes& axes) {
  auto rows = std::make_shared<std::vector<float>>();
  rows->reserve(array.data->size());
  for (int64_t p = 0; p < axes.place.size; ++p) {
    for (int64_t h = 0; h < axes.head.size; ++h) {
      for (int64_t j = 0; j < axes.column.size; ++j) {
        const int64_t at = h * axes.head.stride + p * axes.place.stride + j * axes.column.stride;
        rows->push_back(static_cast<float>(array[at]));
      }
    }
  }
  return rows;
}

const Atom* place_of(const Hidden& product) {
  const AtomGroup& last = product.layout[product.layout.rank() - 1];
  return last.size() == 1 ? last.data() : nullptr;
}

// Queries before keys, as biases and scores have them.
bool same_places(const Hidden& a, const Hidden& b) {
  return a.position_buckets == b.position_buckets &&
         a.max_relative_positions == b.max_relative_positions;
}

ImportValue sum_of_biases(const Step& step, const Hidden& a, const Hidden& b) {
  if (a.layout != b.layout || !same_places(a, b)) {
    step.op.refuse("biases by position of other places or axes");
  }
  ImportValue result = in_form(a, Form::kPositionBias);
  for (size_t i = 0; i < a.terms.size(); ++i) {
    if (b.terms[i].rows == graph::kNoValue) continue;
    if (a.terms[i].rows != graph::kNoValue) step.op.refuse("the same bias by position twice");
    result.hidden->terms[i] = b.terms[i];
  }
  return result;
}

ImportValue scores_with_positions(const Step& step, const Hidden& scores, const Hidden& bias) {
  const std::array wanted = {scores.value, scores.keys};
  bool fits = scores.layout == bias.layout && scores.heads == bias.heads &&
              scores.bias == graph::kNoValue &&
              (scores.max_relative_positions == 0 || same_places(scores, bias));
  for (size_t i = 0; i < bias.terms.size(); ++i) {
    if (bias.terms[i].rows == graph::kNoValue) continue;
    fits = fits && bias.terms[i].rows == wanted[i] && scores.terms[i].rows == graph::kNoValue;
  }
  if (!fits) step.op.refuse("a bias by position of other queries or keys than the scores'");
  check_pairs(step, scores);
  ImportValue result = in_form(scores, Form::kScores);
  for (size_t i = 0; i < bias.terms.size(); ++i) {
    if (bias.terms[i].rows != graph::kNoValue) result.hidden->terms[i] = bias.terms[i];
  }
  result.hidden->position_buckets = bias.position_buckets;
  result.hidden->max_relative_positions = bias.max_relative_positions;
  return result;
}

}  // namespace

ImportValue table_of_batch(Importer& importer, const Step& step) {
  const std::string& type = step.op.type();
  if (step.inputs.empty() || step.inputs[0].known == nullptr) return {};
  const Known& first = *step.inputs[0].known;
  if (!first.is_constant() || !is_float(first.type())) return {};
  if ((type == "Expand" || type == "Tile") && step.has(1)) return repeated(importer, step);
  if (type == "Slice" && step.inputs.size() >= 3) return cut_around_middle(importer, step);
  return {};
}

ImportValue as_table(std::shared_ptr<const Known> known) {
  const Dims dims = known->dims();
  return table_of(std::move(known), strided(dims));
}

ImportValue projected_table(Importer& importer, const Step& step, const Hidden& table,
                            const Known& weight, bool turn) {
  if (!lies_plainly(table) || !weight.is_constant() || weight.dims().size() != 2) {
    step.op.refuse("a table of positions times something that is no constant weight");
  }
  return with_values(table, importer.product(step, *table.known, weight, turn));
}

ImportValue biased_table(Importer& importer, const Step& step, const Hidden& table,
                         const Known& bias) {
  if (!lies_plainly(table) || bias.vector_size() != table.known->dims().back()) {
    step.op.refuse("a table of positions plus something that is no bias");
  }
  const Array sum = combine(table.known->at(0), bias.at(0), ElementType::kFloat,
                            [](double a, double b) { return a + b; });
  const std::string name = importer.unused_name(cat(table.known->name(), ".biased"));
  return with_values(table, std::make_shared<const Known>(name, sum));
}

ImportValue position_product(Importer& importer, const Step& step, const Hidden& rows,
                             const Hidden& table, double factor) {
  const auto heads = heads_of(rows, false);
  const auto axes = heads ? axes_of_table(table, *heads) : std::nullopt;
  const auto table_factor = linear_factor(table.function);
  if (!axes || !table_factor || heads->repeats != 1) {
    step.op.refuse(
        "hidden states times a constant; accepted are weights, and queries or keys "
        "[batch, heads, tokens, size] with a table [heads, size, places]");
  }
  ImportValue result = {nullptr, std::make_shared<Hidden>()};
  Hidden& product = *result.hidden;
  product.form = Form::kPositionProduct;
  product.heads = heads->count;
  product.head_size = heads->size;
  product.terms[0] = {importer.emit_columns(step, rows), rows_of_places(table.known->at(0), *axes),
                      factor * *table_factor * factor_of(step, rows)};
  Atom place = axes->place;
  place.stride = 1;
  product.layout = rows.layout.with_axis(rows.layout.rank() - 1, {place});
  return result;
}

ImportValue sum_of_positions(const Step& step, const ImportValue& a, const ImportValue& b) {
  for (const auto& [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (!x->has(Form::kPositionBias)) continue;
    if (y->has(Form::kPositionBias)) return sum_of_biases(step, *x->hidden, *y->hidden);
    if (y->has(Form::kScores)) return scores_with_positions(step, *y->hidden, *x->hidden);
    // The sum begins with it.
    if (y->known != nullptr && y->known->scalar() == 0.0) return *x;
  }
  return {};
}

std::vector<ImportValue> import_gather_elements(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (x.ends_as_rows()) return {picked_elements(importer, step)};
  if (!x.has(Form::kPositionProduct)) {
    step.op.refuse("elements of something that is not queries or keys times a table of places");
  }
  const Hidden& product = *x.hidden;
  const size_t rank = product.layout.rank();
  const Known& ids = step.known(1);
  const Atom* place = place_of(product);
  bool fits = axis_of(step.op.integer("axis", 0), rank) + 1 == rank && place != nullptr &&
              product.layout[rank - 2] == AtomGroup{{Axis::kToken}};
  for (size_t p = 0; fits && p < kProbes; ++p) {
    Dims wanted = product.layout.dims(importer.probes()[p].sizes);
    wanted.back() = importer.probes()[p].sizes.tokens;
    fits = ids.dims(p) == wanted;
  }
  const auto rule =
      fits ? position_rule(ids.all(), importer.probes(), {place->size, place->axis == Axis::kPlace})
           : std::nullopt;
  if (!rule) {
    step.op.refuse("\"", ids.name(), "\" does not name a row for each distance by DeBERTa's rule");
  }
  if (!rule->is_certain) importer.limit_to_probes();
  ImportValue result = in_form(product, Form::kPositionBias);
  Hidden& bias = *result.hidden;
  bias.position_buckets = rule->buckets;
  bias.max_relative_positions = rule->max_positions;
  bias.layout = product.layout.with_axis(rank - 1, {{Axis::kKey}});
  if (!rule->of_queries) {
    std::swap(bias.terms[0], bias.terms[1]);
    bias.layout =
        product.layout.with_axis(rank - 2, {{Axis::kKey}}).with_axis(rank - 1, {{Axis::kToken}});
  }
  return {result};
}

}  // namespace tamis::onnx
