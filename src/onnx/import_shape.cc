// What moves hidden states around without changing them.
#include <algorithm>

#include "onnx/import_rotary.h"
#include "onnx/rules/horizon.h"

namespace tamis::onnx {

using graph::OpKind;

namespace {

ImportValue with_layout(const Hidden& hidden, Layout layout) {
  ImportValue result = {nullptr, std::make_shared<Hidden>(hidden)};
  result.hidden->layout = std::move(layout);
  return result;
}

// A hidden input whose axes may be moved.
Hidden& movable(const Step& step, size_t i) {
  Hidden& x = step.hidden(i);
  if (!has_own_layout(x.form)) {
    step.op.refuse("a step of a norm or of a quantization in another shape");
  }
  return x;
}

// Of the two batches that shapes are read from.
std::array<BatchSizes, kShapeProbes> sizes_of(const Importer& importer) {
  std::array<BatchSizes, kShapeProbes> sizes;
  for (size_t p = 0; p < kShapeProbes; ++p) sizes[p] = importer.probes()[p].sizes;
  return sizes;
}

Inputs known_inputs(const Step& step, const Array& first, size_t probe) {
  Inputs inputs = {&first};
  for (size_t i = 1; i < step.inputs.size(); ++i) {
    inputs.push_back(step.has(i) ? &step.known(i).at(probe) : nullptr);
  }
  return inputs;
}

// Each sequence's first row, as an axis less or as one of size 1.
ImportValue first_token(Importer& importer, const Step& step, Hidden& x, size_t axis,
                        bool keep_axis) {
  const graph::ValueId from = importer.emit_rows(step, x);
  const graph::ValueId pooled =
      importer.emit(step, OpKind::kSequencePool, {from}, graph::PoolAttributes{{Pooling::kCls}});
  return importer.rows(pooled,
                       keep_axis ? x.layout.with_axis(axis, {}) : x.layout.without_axis(axis));
}

// Indices [first, first + count) of an axis that counts columns.
ImportValue columns_of(const Step& step, const Hidden& x, size_t axis, int64_t first,
                       int64_t count) {
  const AtomGroup& group = x.layout[axis];
  const bool outermost = group.size() == 1 && group[0].axis == Axis::kColumn &&
                         group[0].size * group[0].stride == x.columns;
  if (x.form != Form::kRows || !outermost || x.function) {
    step.op.refuse("a part of an axis that does not count whole blocks of columns");
  }
  const int64_t stride = group[0].stride;
  AtomGroup rest;
  if (count > 1) rest = {{Axis::kColumn, count, stride}};
  ImportValue result = with_layout(x, x.layout.with_axis(axis, rest));
  result.hidden->first_column += first * stride;
  result.hidden->columns = count * stride;
  return result;
}

// Indices [first, first + count) of each head's columns, which the last axis counts: queries, keys
// or values of heads that lie side by side head by head. Absent: another part.
ImportValue part_of_heads(Importer& importer, const Step& step, const Hidden& x, size_t axis,
                          int64_t first, int64_t count) {
  const size_t rank = x.layout.rank();
  const AtomGroup& last = x.layout[axis];
  const bool columns = axis + 1 == rank && last.size() == 1 && last[0].axis == Axis::kColumn &&
                       last[0].stride == 1 && last[0].size < x.columns;
  if (!columns || x.form != Form::kRows || count < 1) return {};
  const int64_t every = last[0].size;
  Layout layout = x.layout.with_axis(axis, {{Axis::kColumn, count, 1}});
  for (size_t i = 0; i + 1 < rank; ++i) {
    for (const Atom& atom : x.layout[i]) {
      if (atom.axis != Axis::kColumn) continue;
      if (x.layout[i].size() != 1 || atom.stride != every) return {};
      layout = layout.with_axis(i, {{Axis::kColumn, atom.size, count}});
    }
  }
  const graph::ValueId value = importer.emit_parts_of_heads(step, x, {first, count, every});
  return importer.rows(value, std::move(layout));
}

bool is_token_axis(const Hidden& x, size_t axis) {
  return x.layout[axis] == AtomGroup{{Axis::kToken}};
}

ImportValue sliced(Importer& importer, const Step& step, Hidden& x, size_t axis,
                   std::span<const SliceRange> ranges) {
  bool whole = true;
  bool last = true;
  bool same = true;
  for (size_t p = 0; p < kProbes; ++p) {
    const int64_t size = x.layout.dims(importer.probes()[p].sizes)[axis];
    same = same && ranges[p].first == ranges[0].first && ranges[p].count == ranges[0].count;
    whole = whole && ranges[p].first == 0 && ranges[p].count == size && ranges[p].step == 1;
    last = last && ranges[p].first == size - 1 && ranges[p].count == 1;
  }
  if (whole) return {nullptr, std::make_shared<Hidden>(x)};
  if (last && x.form == Form::kOfToken && is_token_axis(x, axis)) {
    return last_of_token(importer, step, x, true);
  }
  const SliceRange& range = ranges[0];
  if (range.step != 1 || !same) {
    step.op.refuse("a part of axis ", axis, " that depends on the batch");
  }
  if (is_token_axis(x, axis)) {
    if (range.first == 0 && range.count == 1) return first_token(importer, step, x, axis, true);
    step.op.refuse("tokens from ", range.first, " on; the first alone or all are accepted");
  }
  if (const ImportValue half = half_of_heads(x, axis, range.first, range.count); !half.absent()) {
    return half;
  }
  if (ImportValue part = part_of_heads(importer, step, x, axis, range.first, range.count);
      !part.absent()) {
    return part;
  }
  return columns_of(step, x, axis, range.first, range.count);
}

// Heads that several queries' heads read, as copies of each; absent: another expansion.
ImportValue repeated_heads(Importer& importer, const Step& step, Hidden& x) {
  if (x.form != Form::kRows && x.form != Form::kNormal) return {};
  std::optional<size_t> axis;
  int64_t copies = 0;
  for (size_t p = 0; p < kShapeProbes; ++p) {
    const Dims dims = x.layout.dims(importer.probes()[p].sizes);
    const Dims target = broadcast_dims(dims, step.known(1).at(p).integers());
    if (target.size() != dims.size()) return {};
    for (size_t i = 0; i < dims.size(); ++i) {
      if (target[i] == dims[i]) continue;
      if (!x.layout[i].empty() || (axis && *axis != i) || (copies > 0 && copies != target[i])) {
        return {};
      }
      axis = i;
      copies = target[i];
    }
  }
  if (!axis || *axis + 2 >= x.layout.rank()) return {};
  importer.end_steps(step, x);
  return with_layout(x, x.layout.with_axis(*axis, {{Axis::kRepeat, copies, 1}}));
}

// Rows for what picks columns out of them.
void end_norm(Importer& importer, const Step& step) {
  Hidden& x = step.hidden(0);
  if (x.form == Form::kNormal && x.is_rms) importer.end_steps(step, x);
}

// Hidden states are floats, of whatever size; what is known has a type of its own.
ElementType cast_type(const Step& step) {
  if (step.op.type() != "CastLike") return static_cast<ElementType>(step.op.integer("to", 0));
  const ImportValue& like = step.input(1);
  return like.known != nullptr ? like.known->type() : ElementType::kFloat;
}

}  // namespace

std::vector<ImportValue> import_same(Importer&, const Step& step) { return {step.input(0)}; }

std::vector<ImportValue> import_cast(Importer&, const Step& step) {
  const ImportValue& x = step.input(0);
  const ElementType to = cast_type(step);
  const bool stays_boolean = x.has(Form::kNotANumber) && to == ElementType::kBool;
  if (!is_float(to) && !stays_boolean) {
    step.op.refuse("hidden states as ", element_type_name(to));
  }
  return {x};
}

std::vector<ImportValue> import_reshape(Importer& importer, const Step& step) {
  const Hidden& x = movable(step, 0);
  const auto sizes = sizes_of(importer);
  std::vector<Dims> targets;
  for (size_t p = 0; p < kShapeProbes; ++p) {
    const Dims dims = x.layout.dims(sizes[p]);
    const Array zeros = make_array(dims, ElementType::kFloat,
                                   std::vector<double>(static_cast<size_t>(count_of(dims))));
    targets.push_back(evaluate(step.op, known_inputs(step, zeros, p))[0].dims);
  }
  auto layout = x.layout.reshaped(targets, sizes);
  if (!layout) {
    step.op.refuse(
        "a reshape that mixes sequences, tokens and columns; their splitting and "
        "joining is accepted");
  }
  return {with_layout(x, *std::move(layout))};
}

std::vector<ImportValue> import_expand(Importer& importer, const Step& step) {
  Hidden& x = movable(step, 0);
  const auto sizes = sizes_of(importer);
  if (ImportValue copies = repeated_heads(importer, step, x); !copies.absent()) return {copies};
  for (size_t p = 0; p < kShapeProbes; ++p) {
    const Dims dims = x.layout.dims(sizes[p]);
    Dims target = broadcast_dims(dims, step.known(1).at(p).integers());
    // A length for each column of its row, as its quotient takes it anyway.
    const bool length = x.form == Form::kLength && !dims.empty();
    if (length && dims.back() == 1 && target.back() == x.columns) target.back() = 1;
    // The same bias for each sequence, as scores take it anyway.
    if (x.form == Form::kDistanceBias && dims.size() == 4) target[0] = dims[0];
    if (target != dims) step.op.refuse("hidden states that are repeated");
  }
  return {step.input(0)};
}

std::vector<ImportValue> import_transpose(Importer&, const Step& step) {
  const Hidden& x = movable(step, 0);
  return {with_layout(x, x.layout.transposed(perm_of(step.op, x.layout.rank())))};
}

namespace {

SizeKind size_kind(const Layout& layout, size_t axis) {
  if (layout.is_fixed(axis)) return SizeKind::kFixed;
  if (layout[axis].size() != 1) return SizeKind::kOther;
  switch (layout[axis][0].axis) {
    case Axis::kSequence:
      return SizeKind::kSequences;
    case Axis::kToken:
    case Axis::kKey:
      return SizeKind::kTokens;
    default:
      return SizeKind::kOther;
  }
}

// Kinds as numbers, so that what moves sizes moves them.
Array numbers_of(const std::vector<SizeKind>& kinds, Dims dims) {
  std::vector<double> numbers;
  for (const SizeKind kind : kinds) numbers.push_back(static_cast<double>(kind));
  return make_array(std::move(dims), ElementType::kFloat, std::move(numbers));
}

std::vector<SizeKind> kinds_of(const Array& numbers) {
  std::vector<SizeKind> kinds;
  for (const double number : *numbers.data) kinds.push_back(static_cast<SizeKind>(number));
  return kinds;
}

bool moves_sizes(const Operation& op) {
  const std::string& type = op.type();
  if (type == "Cast") return static_cast<ElementType>(op.integer("to", 0)) != ElementType::kBool;
  return type == "Gather" || type == "Slice" || type == "Squeeze" || type == "Unsqueeze" ||
         type == "Identity";
}

// Sizes that the step picks out of others, with their kinds; absent: it does something else.
ImportValue moved_sizes(const Step& step) {
  const Known* sizes = moves_sizes(step.op) && step.has(0) ? step.inputs[0].known.get() : nullptr;
  if (sizes == nullptr || sizes->size_kinds().empty()) return {};
  const Array kinds = numbers_of(sizes->size_kinds(), sizes->dims());
  Inputs inputs = {&kinds};
  for (size_t i = 1; i < step.inputs.size(); ++i) {
    const ImportValue& input = step.inputs[i];
    if (!input.absent() && (input.known == nullptr || !input.known->is_constant())) return {};
    inputs.push_back(input.absent() ? nullptr : &input.known->at(0));
  }
  std::vector<SizeKind> moved = kinds_of(evaluate(step.op, inputs)[0]);
  ProbeArrays arrays;
  for (size_t p = 0; p < kProbes; ++p) {
    inputs[0] = &sizes->at(p);
    arrays[p] = evaluate(step.op, inputs)[0];
  }
  const std::string& name = step.op.node().outputs[0];
  const bool fixed =
      std::ranges::all_of(moved, [](SizeKind kind) { return kind == SizeKind::kFixed; });
  if (fixed) return {std::make_shared<Known>(name, arrays[0]), nullptr};
  return {std::make_shared<Known>(name, std::move(arrays), std::move(moved)), nullptr};
}

// Whether two sizes are equal, which two of one kind are in every batch; absent: not so, or it is
// not known.
ImportValue equal_sizes(const Step& step) {
  if (step.op.type() != "Equal") return {};
  const Known& a = step.known(0);
  const Known& b = step.known(1);
  if (a.size_kinds().size() != 1 || a.size_kinds() != b.size_kinds()) return {};
  if (a.size_kinds()[0] == SizeKind::kOther) return {};
  return {std::make_shared<Known>(step.op.node().outputs[0],
                                  evaluate(step.op, {&a.at(0), &b.at(0)})[0]),
          nullptr};
}

}  // namespace

std::vector<ImportValue> import_shape(Importer& importer, const Step& step) {
  const Hidden& x = movable(step, 0);
  const auto picked = [&step](const Array& sizes) { return evaluate_shape(step.op, {&sizes})[0]; };
  ProbeArrays arrays;
  for (size_t p = 0; p < kProbes; ++p) {
    arrays[p] = picked({x.layout.dims(importer.probes()[p].sizes), ElementType::kFloat, nullptr});
  }
  // evaluate_shape reads dims.
  Dims kinds;
  for (size_t i = 0; i < x.layout.rank(); ++i) {
    kinds.push_back(static_cast<int64_t>(size_kind(x.layout, i)));
  }
  const Array numbers = picked({std::move(kinds), ElementType::kFloat, nullptr});
  return {{std::make_shared<Known>(step.op.node().outputs[0], std::move(arrays), kinds_of(numbers)),
           nullptr}};
}

ImportValue known_sizes(const Step& step) {
  ImportValue moved = moved_sizes(step);
  return moved.absent() ? equal_sizes(step) : moved;
}

std::vector<ImportValue> import_gather(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (x.known != nullptr && is_float(x.known->type())) {
    return {make_embedding(importer, step, *x.known, step.known(1))};
  }
  if (x.known != nullptr) {
    ImportValue rows = {nullptr, std::make_shared<Hidden>()};
    rows.hidden->form = Form::kIntegerRows;
    rows.hidden->known = x.known;
    rows.hidden->ids = step.input(1).known;
    if (rows.hidden->ids == nullptr) step.op.refuse("ids that depend on hidden states");
    return {rows};
  }
  if (ImportValue picked = picked_of_all(importer, step); !picked.absent()) return {picked};
  const Known& index = step.known(1);
  const auto at = index.scalar();
  if (!at || index.dims().size() > 1)
    step.op.refuse("more than one index; one constant is expected");
  (void)movable(step, 0);
  const size_t axis = axis_of(step.op.integer("axis", 0), x.hidden->layout.rank());
  const bool keep_axis = index.dims().size() == 1;
  const auto place = static_cast<int64_t>(*at);
  if (x.has(Form::kOfToken) && is_token_axis(*x.hidden, axis) && place == -1) {
    return {last_of_token(importer, step, *x.hidden, keep_axis)};
  }
  if (is_token_axis(*x.hidden, axis)) {
    if (place != 0) step.op.refuse("token ", place, " of each sequence; the first is accepted");
    return {first_token(importer, step, *x.hidden, axis, keep_axis)};
  }
  if (x.has(Form::kRows)) importer.end_function(step, *x.hidden);
  const int64_t size = x.hidden->layout.dims(importer.probes()[0].sizes)[axis];
  const ImportValue part = columns_of(step, *x.hidden, axis, place < 0 ? place + size : place, 1);
  return {keep_axis ? part : with_layout(*part.hidden, part.hidden->layout.without_axis(axis))};
}

std::vector<ImportValue> import_slice(Importer& importer, const Step& step) {
  ImportValue x = step.input(0);
  (void)movable(step, 0);
  end_norm(importer, step);
  std::array<Dims, kProbes> dims;
  std::array<std::vector<SliceRange>, kProbes> ranges;
  for (size_t p = 0; p < kProbes; ++p) {
    dims[p] = x.hidden->layout.dims(importer.probes()[p].sizes);
    const Array sized = {dims[p], ElementType::kFloat, nullptr};
    ranges[p] = slice_ranges(step.op, sized.dims, known_inputs(step, sized, p));
    if (!std::ranges::equal(ranges[p], ranges[0], {}, &SliceRange::axis, &SliceRange::axis)) {
      step.op.refuse("axes that depend on the batch");
    }
  }
  importer.limit_to(horizon_of_cuts(step, dims, importer.probes()));
  for (size_t i = 0; i < ranges[0].size(); ++i) {
    std::array<SliceRange, kProbes> each;
    for (size_t p = 0; p < kProbes; ++p) each[p] = ranges[p][i];
    x = sliced(importer, step, *x.hidden, each[0].axis, each);
  }
  return {x};
}

std::vector<ImportValue> import_split(Importer& importer, const Step& step) {
  const Hidden& x = movable(step, 0);
  end_norm(importer, step);
  const Dims dims = x.layout.dims(importer.probes()[0].sizes);
  const size_t axis = axis_of(step.op.integer("axis", 0), dims.size());
  const Array sized = {dims, ElementType::kFloat, nullptr};
  if (step.has(1) && !step.known(1).is_constant()) {
    step.op.refuse("parts that depend on the batch");
  }
  std::vector<ImportValue> parts;
  int64_t first = 0;
  for (const int64_t count : split_sizes(step.op, dims[axis], known_inputs(step, sized, 0))) {
    ImportValue part = half_of_heads(x, axis, first, count);
    if (part.absent()) part = part_of_heads(importer, step, x, axis, first, count);
    parts.push_back(part.absent() ? columns_of(step, x, axis, first, count) : part);
    first += count;
  }
  return parts;
}

std::vector<ImportValue> import_concat(Importer& importer, const Step& step) {
  if (step.inputs.size() == 1) return {step.input(0)};
  if (ImportValue pools = joined_pools(importer, step); !pools.absent()) return {pools};
  const ImportValue swapped =
      step.inputs.size() == 2 ? swapped_halves(step.input(0), step.input(1)) : ImportValue{};
  if (swapped.absent()) step.op.refuse("hidden states side by side");
  // Halves are of the last axis.
  const size_t rank = swapped.hidden->layout.rank();
  if (axis_of(step.op.integer("axis", 0), rank) + 1 != rank) {
    step.op.refuse("halves of heads that are not joined along the last axis");
  }
  return {swapped};
}

}  // namespace tamis::onnx
