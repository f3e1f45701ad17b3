// Rotary positions in their steps: x * cos + (-second half, first half) * sin, head by head, or the
// same of neighboring columns.
#include "onnx/import_rotary.h"

#include "onnx/rules/rotary_rule.h"

namespace tamis::onnx {

namespace {

// Whether that axis, the last but `from_end` - 1, counts tokens: 2 where heads stand before them, 3
// where ONNX Runtime has moved the turn in front of the transpose.
bool counts_tokens(const Layout& layout, size_t from_end) {
  return layout[layout.rank() - from_end] == AtomGroup{{Axis::kToken}};
}

// Columns of each head, if that is what the last axis counts and another counts heads.
int64_t head_columns(const Hidden& x) {
  const size_t rank = x.layout.rank();
  // A factor may stand before or behind a turn.
  if (x.form != Form::kRows || !linear_factor(x.function) || rank < 4) return 0;
  const AtomGroup& last = x.layout[rank - 1];
  if (!counts_tokens(x.layout, 2) && !counts_tokens(x.layout, 3)) return 0;
  if (last.size() != 1 || last[0].axis != Axis::kColumn || last[0].stride != 1) return 0;
  return last[0].size;
}

// Whether the last axis counts the two columns of each pair, the one before it pairs of each head.
bool are_neighbors(const Hidden& x) {
  const size_t rank = x.layout.rank();
  if (x.form != Form::kRows || !linear_factor(x.function) || rank < 5) return false;
  const AtomGroup& pairs = x.layout[rank - 2];
  return (counts_tokens(x.layout, 3) || counts_tokens(x.layout, 4)) &&
         x.layout[rank - 1] == AtomGroup{{Axis::kColumn, 2, 1}} && pairs.size() == 1 &&
         pairs[0].axis == Axis::kColumn && pairs[0].stride == 2;
}

// Cosines or sines [.., tokens, size] of those for the rows' axes; null: they differ by head.
std::shared_ptr<const Known> by_place(const Layout& rows, const std::shared_ptr<const Known>& by) {
  if (counts_tokens(rows, 2)) return by;
  ProbeArrays arrays;
  for (size_t p = 0; p < kProbes; ++p) {
    arrays[p] = by->at(p);
    Dims& dims = arrays[p].dims;
    if (dims.size() < 3 || dims[dims.size() - 2] != 1) return nullptr;
    dims.erase(dims.end() - 2);
  }
  return std::make_shared<const Known>(by->name(), std::move(arrays));
}

}  // namespace

ImportValue half_of_heads(const Hidden& x, size_t axis, int64_t first, int64_t count) {
  const bool neighbors = are_neighbors(x);
  const int64_t size = neighbors ? 2 : head_columns(x);
  const bool half = size > 0 && axis + 1 == x.layout.rank() && 2 * count == size &&
                    (first == 0 || first == count);
  if (!half) return {};
  ImportValue result = in_form(x, Form::kHalf);
  result.hidden->second_half = first != 0;
  result.hidden->pairs = neighbors ? RotaryPairs::kNeighbors : RotaryPairs::kHalves;
  return result;
}

ImportValue swapped_halves(const ImportValue& a, const ImportValue& b) {
  if (!a.has(Form::kHalf) || !b.has(Form::kHalf) || !same_columns(*a.hidden, *b.hidden)) return {};
  const bool swapped =
      a.hidden->second_half && a.hidden->negated && !b.hidden->second_half && !b.hidden->negated;
  return swapped ? in_form(*a.hidden, Form::kSwapped) : ImportValue{};
}

ImportValue times_positions(const Hidden& x, const std::shared_ptr<const Known>& by) {
  const bool whole =
      head_columns(x) > 0 && by->dims().size() >= 2 && by->dims().back() == head_columns(x);
  if (by->is_constant() || !(whole || x.form == Form::kSwapped)) return {};
  const auto places = by_place(x.layout, by);
  if (places == nullptr) return {};
  ImportValue result = in_form(x, whole ? Form::kTimesCosine : Form::kTimesSine);
  result.hidden->known = places;
  return result;
}

ImportValue turned(Importer& importer, const Step& step, const Hidden& cosine, const Hidden& sine) {
  const auto factor = linear_factor(cosine.function);
  if (!same_columns(cosine, sine) || factor != linear_factor(sine.function)) {
    step.op.refuse("rotary parts of different heads");
  }
  const auto rule =
      rotary_rule(cosine.known->all(), sine.known->all(), importer.probes(), sine.pairs);
  if (!rule) step.op.refuse("cosines and sines that do not follow each token's place");
  Hidden rows = cosine;
  rows.form = Form::kRows;
  rows.known = nullptr;
  const auto size = static_cast<int64_t>(2 * rule->frequencies.size());
  graph::RotaryAttributes attributes;
  attributes.heads = rows.columns / size;
  attributes.head_size = size;
  attributes.scale = rule->scale;
  attributes.interleaved = sine.pairs == RotaryPairs::kNeighbors;
  const graph::ValueId from = importer.emit_columns(step, rows);
  const graph::ValueId frequencies =
      importer.constant(cat("rotary_frequencies_", size, "_", rule->frequencies.back()),
                        Shape{size / 2}, rule->frequencies);
  ImportValue result = importer.rows(
      importer.emit(step, graph::OpKind::kRotary, {from, frequencies}, attributes), rows.layout);
  if (rows.function) result.hidden->function = rows.function;
  return result;
}

// Cosines or sines of half a head, for both halves.
std::shared_ptr<const Known> for_both_halves(const Step& step, const Known& half) {
  ProbeArrays arrays;
  for (size_t p = 0; p < kProbes; ++p) {
    const Array& array = half.at(p);
    if (array.dims.size() < 2) step.op.refuse("cosines or sines of rank ", array.dims.size());
    const auto size = static_cast<size_t>(array.dims.back());
    std::vector<double> values;
    for (size_t row = 0; size > 0 && row < array.data->size() / size; ++row) {
      const auto first = array.data->begin() + static_cast<int64_t>(row * size);
      for (int copy = 0; copy < 2; ++copy) {
        values.insert(values.end(), first, first + static_cast<int64_t>(size));
      }
    }
    Dims dims = array.dims;
    dims.back() *= 2;
    arrays[p] = make_array(std::move(dims), array.type, std::move(values));
  }
  return std::make_shared<const Known>(half.name(), std::move(arrays));
}

std::vector<ImportValue> import_rotary_embedding(Importer& importer, const Step& step) {
  for (const std::string_view attribute : {"interleaved", "rotary_embedding_dim"}) {
    if (step.op.integer(attribute, 0) != 0) step.op.refuse(attribute, " is set; 0 is accepted");
  }
  if (step.has(3)) step.op.refuse("positions of its own");
  Hidden& x = step.hidden(0);
  if (x.form == Form::kNormal && x.is_rms) importer.end_steps(step, x);
  if (head_columns(x) == 0 || !counts_tokens(x.layout, 2)) {
    step.op.refuse("heads [batch, heads, tokens, size] are expected");
  }
  ImportValue cosine = in_form(x, Form::kTimesCosine);
  cosine.hidden->known = for_both_halves(step, step.known(1));
  ImportValue sine = in_form(x, Form::kTimesSine);
  sine.hidden->known = for_both_halves(step, step.known(2));
  return {turned(importer, step, *cosine.hidden, *sine.hidden)};
}

}  // namespace tamis::onnx
