#include "onnx/samples.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/json.h"
#include "onnx/ids_use.h"
#include "onnx/importer.h"
#include "onnx/rules/attention_rule.h"
#include "onnx/rules/global_rule.h"

namespace tamis::onnx {

using graph::OpKind;
using graph::ValueId;

namespace {

// From -1 to 1; splitmix64's finish.
double sample(uint64_t seed, int64_t place) {
  uint64_t x = seed * 0x9E3779B97F4A7C15 + static_cast<uint64_t>(place) * 0xD1B54A32D192ED03;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  x ^= x >> 31;
  return static_cast<double>(x >> 11) * 0x1p-52 - 1;
}

uint64_t seed_of(const SampleSource& source, const Probe& probe) {
  return (static_cast<uint64_t>(source.rows) << 32) + static_cast<uint64_t>(probe.sizes.tokens) +
         (static_cast<uint64_t>(probe.sizes.sequences) << 20) + 1;
}

// The columns that lie side by side in the value's layout.
int64_t head_size_of(const Hidden& x) {
  for (size_t i = 0; i < x.layout.rank(); ++i) {
    for (const Atom& atom : x.layout[i]) {
      if (atom.axis == Axis::kColumn && atom.stride == 1) return atom.size;
    }
  }
  return x.columns;
}

// How far apart in rows [sequences * tokens, columns] the indices of an axis lie.
std::vector<int64_t> offsets_of(const AtomGroup& group, const BatchSizes& sizes, int64_t columns) {
  std::vector<int64_t> offsets = {0};
  for (const Atom& atom : group) {
    const bool sequence = atom.axis == Axis::kSequence;
    const int64_t token = atom.axis == Axis::kToken ? columns : atom.stride;
    const int64_t step = sequence ? sizes.tokens * columns : token;
    const int64_t token_count = atom.axis == Axis::kToken ? sizes.tokens : atom.size;
    const int64_t count = sequence ? sizes.sequences : token_count;
    std::vector<int64_t> next;
    for (const int64_t offset : offsets) {
      for (int64_t i = 0; i < count; ++i) next.push_back(offset + i * step);
    }
    offsets = std::move(next);
  }
  return offsets;
}

// Elements of rows as the layout has them.
Array laid_out(const std::vector<double>& rows, const Layout& layout, const Probe& probe,
               int64_t columns) {
  std::vector<int64_t> places = {0};
  for (size_t axis = 0; axis < layout.rank(); ++axis) {
    const std::vector<int64_t> offsets = offsets_of(layout[axis], probe.sizes, columns);
    std::vector<int64_t> next;
    next.reserve(places.size() * offsets.size());
    for (const int64_t place : places) {
      for (const int64_t offset : offsets) next.push_back(place + offset);
    }
    places = std::move(next);
  }
  std::vector<double> values;
  values.reserve(places.size());
  for (const int64_t place : places) values.push_back(rows[static_cast<size_t>(place)]);
  return make_array(layout.dims(probe.sizes), ElementType::kFloat, std::move(values));
}

bool counts_rows_and_columns(const Layout& layout) {
  return !layout.has(Axis::kKey) && !layout.has(Axis::kPlace) && !layout.has(Axis::kRepeat) &&
         layout.has(Axis::kSequence) && layout.has(Axis::kToken);
}

ImportValue in_samples(Samples samples) {
  ImportValue result = {nullptr, std::make_shared<Hidden>()};
  result.hidden->form = Form::kSampled;
  result.hidden->samples = std::make_shared<const Samples>(std::move(samples));
  return result;
}

// Numbers for rows of hidden states, whole ones under no more than a factor.
Samples samples_of(const Importer& importer, const Step& step, const Hidden& x) {
  const auto factor = linear_factor(x.function);
  const bool whole = x.form == Form::kRows && x.first_column == 0 &&
                     x.columns == importer.graph().value(x.value).shape[1].size;
  if (!whole || !factor || !counts_rows_and_columns(x.layout)) {
    step.op.refuse("hidden states taken apart by places that are not whole rows");
  }
  const SampleSource source = {x.value, x.columns, head_size_of(x), *factor,
                               std::make_shared<const Step>(step)};
  Samples samples;
  samples.values = importer.in_each_probe([&](size_t p) {
    const Probe& probe = importer.probes()[p];
    std::vector<double> rows = sampled_rows(source, probe);
    for (double& value : rows) value *= *factor;
    return laid_out(rows, x.layout, probe, x.columns);
  });
  samples.sources.push_back(source);
  return samples;
}

// Of any input, in every probe.
Samples samples_of(const Importer& importer, const Step& step, const ImportValue& input) {
  if (input.has(Form::kSampled)) return *input.hidden->samples;
  if (input.hidden != nullptr) return samples_of(importer, step, *input.hidden);
  Samples known;
  known.use = input.known->ids_use();
  for (size_t p = 0; p < kProbes; ++p) known.values[p] = input.known->at(p);
  return known;
}

void join_sources(std::vector<SampleSource>& sources, const std::vector<SampleSource>& others) {
  for (const SampleSource& other : others) {
    const auto same = [&other](const SampleSource& source) { return source.rows == other.rows; };
    if (std::ranges::none_of(sources, same)) sources.push_back(other);
  }
}

// What the operator makes of numbers, by its arithmetic.
std::vector<ImportValue> computed(Importer& importer, const Step& step) {
  std::vector<Samples> inputs;
  Samples together;
  for (const ImportValue& input : step.inputs) {
    inputs.push_back(input.absent() ? Samples{} : samples_of(importer, step, input));
    join_sources(together.sources, inputs.back().sources);
    together.use = joined(together.use, inputs.back().use);
  }
  std::vector<Samples> outputs;
  for (size_t p = 0; p < kProbes; ++p) {
    const size_t same = importer.same_probe(p);
    for (Samples& output : outputs) output.values[p] = output.values[same];
    if (same != p) continue;
    Inputs arrays;
    for (size_t i = 0; i < inputs.size(); ++i) {
      arrays.push_back(step.inputs[i].absent() ? nullptr : &inputs[i].values[p]);
    }
    const std::vector<Array> made = importer.sampled(step, arrays);
    outputs.resize(made.size(), together);
    for (size_t i = 0; i < made.size(); ++i) outputs[i].values[p] = made[i];
  }
  std::vector<ImportValue> values;
  for (Samples& output : outputs) values.push_back(in_samples(std::move(output)));
  return values;
}

// Sizes of numbers, in every probe.
std::vector<ImportValue> shape_of(const Step& step) {
  const Samples& samples = *step.inputs[0].hidden->samples;
  ProbeArrays sizes;
  for (size_t p = 0; p < kProbes; ++p) {
    sizes[p] = evaluate_shape(step.op, {&samples.values[p]})[0];
  }
  return {{std::make_shared<Known>(step.op.node().outputs[0], std::move(sizes)), nullptr}};
}

// Which row of one source each row is, -1: none.
using RowPlaces = std::array<std::vector<int64_t>, kProbes>;

// Nothing: none is.
std::optional<RowPlaces> picked_rows(const Importer& importer, const Samples& samples) {
  if (samples.sources.size() != 1) return std::nullopt;
  const SampleSource& source = samples.sources[0];
  const int64_t n = source.columns;
  RowPlaces places;
  for (size_t p = 0; p < kProbes; ++p) {
    const Array& values = samples.values[p];
    if (values.dims.empty() || values.dims.back() != n) return std::nullopt;
    const std::vector<double> rows = sampled_rows(source, importer.probes()[p]);
    std::map<double, int64_t> by_first;
    for (size_t i = 0; i < rows.size(); i += static_cast<size_t>(n)) {
      by_first[rows[i]] = static_cast<int64_t>(i) / n;
    }
    for (int64_t i = 0; i < values.elements() / n; ++i) {
      const auto found = by_first.find(values[i * n]);
      const int64_t row = found == by_first.end() ? -1 : found->second;
      const auto from = values.data->begin() + i * n;
      const bool whole = row >= 0 && std::equal(from, from + n, rows.begin() + row * n);
      places[p].push_back(whole ? row : -1);
    }
    if (std::ranges::all_of(places[p], [](int64_t row) { return row < 0; })) return std::nullopt;
  }
  return places;
}

// The same rows of others; what was no row is numbers that no rule expects.
ImportValue picked_again(const Importer& importer, const Step& step, const Samples& from,
                         const RowPlaces& places, ValueId rows) {
  SampleSource source = from.sources[0];
  source.rows = rows;
  source.columns = importer.graph().value(rows).shape[1].size;
  source.head_size = source.columns;
  source.from = std::make_shared<const Step>(step);
  Samples samples;
  samples.use = from.use;
  const int64_t n = source.columns;
  samples.values = importer.in_each_probe([&](size_t p) {
    const std::vector<double> all = sampled_rows(source, importer.probes()[p]);
    std::vector<double> values;
    for (const int64_t row : places[p]) {
      for (int64_t c = 0; c < n; ++c) {
        const auto at = static_cast<int64_t>(values.size());
        values.push_back(row < 0 ? sample(1, at) : all[static_cast<size_t>(row * n + c)]);
      }
    }
    Dims dims = from.values[p].dims;
    dims.back() = n;
    return make_array(std::move(dims), ElementType::kFloat, std::move(values));
  });
  samples.sources.push_back(std::move(source));
  return in_samples(std::move(samples));
}

// All rows of a source.
Hidden rows_of(const Importer& importer, const SampleSource& source) {
  return *importer.rows(source.rows, Layout::rows(source.columns)).hidden;
}

// [sequences * tokens, columns] of [sequences, tokens, columns] or [tokens, sequences, columns];
// empty: of something else.
std::vector<double> rows_in_order(const Array& values, const BatchSizes& sizes, int64_t columns,
                                  bool tokens_first) {
  const Dims dims = tokens_first ? Dims{sizes.tokens, sizes.sequences, columns}
                                 : Dims{sizes.sequences, sizes.tokens, columns};
  if (values.dims != dims) return {};
  if (!tokens_first) return *values.data;
  std::vector<double> rows;
  for (int64_t b = 0; b < sizes.sequences; ++b) {
    for (int64_t i = 0; i < sizes.tokens; ++i) {
      const auto from = values.data->begin() + (i * sizes.sequences + b) * columns;
      rows.insert(rows.end(), from, from + columns);
    }
  }
  return rows;
}

SampledHeads heads_rows(const Importer& importer, const Samples& samples, size_t first, size_t p) {
  const Probe& probe = importer.probes()[p];
  return {sampled_rows(samples.sources[first], probe),
          sampled_rows(samples.sources[first + 1], probe),
          sampled_rows(samples.sources[first + 2], probe)};
}

// The probes with what came of them; empty: it is no rows, or not in that order.
std::vector<SampledAttention> sampled_attention(const Importer& importer, const Samples& samples,
                                                bool tokens_first) {
  std::vector<SampledAttention> probes;
  for (size_t p = 0; p < kProbes; ++p) {
    if (importer.same_probe(p) != p) continue;
    const Probe& probe = importer.probes()[p];
    SampledAttention sampled = {&probe, heads_rows(importer, samples, 0, p), {}, {}};
    if (samples.sources.size() == 6) sampled.global = heads_rows(importer, samples, 3, p);
    sampled.context =
        rows_in_order(samples.values[p], probe.sizes, samples.sources[0].columns, tokens_first);
    if (sampled.context.empty()) return {};
    probes.push_back(std::move(sampled));
  }
  return probes;
}

AttentionCandidates candidates_of(const Importer& importer, const Samples& samples) {
  const SampleSource& queries = samples.sources[0];
  AttentionCandidates candidates;
  candidates.heads = queries.columns / queries.head_size;
  const double factor = queries.factor * samples.sources[1].factor;
  const double usual = 1 / std::sqrt(static_cast<double>(queries.head_size));
  candidates.factors = {factor, factor * usual, 1, usual};
  candidates.rules = samples.sources.size() == 3
                         ? std::vector<GlobalTokenRule>{GlobalTokenRule{}}
                         : global_candidates(importer.probes(), samples.use);
  candidates.tolerance = importer.tolerance();
  return candidates;
}

// softmax(factor q k) v of the sources from `first` on.
ValueId emit_attention(Importer& importer, const Samples& samples, size_t first, int64_t heads,
                       double factor, const MaskRule& mask) {
  const Step& step = *samples.sources[first].from;
  Hidden scores;
  scores.form = Form::kScores;
  scores.value = samples.sources[first].rows;
  scores.keys = samples.sources[first + 1].rows;
  scores.heads = scores.key_heads = heads;
  scores.head_size = samples.sources[first].columns / heads;
  scores.factor = factor;
  scores.mask = mask;
  const ImportValue probabilities = make_probabilities(importer, step, scores);
  graph::AttentionAttributes attributes;
  attributes.heads = heads;
  return importer.emit(step, OpKind::kAttentionContext,
                       {probabilities.hidden->value, samples.sources[first + 2].rows}, attributes);
}

bool are_alike(const std::vector<SampleSource>& sources) {
  return (sources.size() == 3 || sources.size() == 6) &&
         std::ranges::all_of(sources, [&sources](const SampleSource& source) {
           return source.columns == sources[0].columns;
         });
}

// The attention that the numbers are; absent: they are none.
ImportValue attention_of(Importer& importer, const Samples& samples) {
  if (!are_alike(samples.sources)) return {};
  const AttentionCandidates candidates = candidates_of(importer, samples);
  for (const bool tokens_first : {false, true}) {
    const auto probes = sampled_attention(importer, samples, tokens_first);
    const auto rule = probes.empty() ? std::nullopt : attention_rule(probes, candidates);
    if (!rule) continue;
    MaskRule mask = rule->mask;
    // Where each query sees all, it sees those that all see.
    if (mask.left < 0 && mask.right < 0) mask = {};
    ValueId rows = emit_attention(importer, samples, 0, candidates.heads, rule->factor, mask);
    const GlobalTokenRule& global = rule->mask.global;
    if (global.rule != graph::GlobalRule::kNone) {
      const ValueId seen_by_all =
          emit_attention(importer, samples, 3, candidates.heads, rule->global_factor, {});
      rows = importer.emit(*samples.sources[0].from, OpKind::kMergeGlobal,
                           {rows, seen_by_all, importer.input_ids()},
                           graph::MergeGlobalAttributes{global.rule, global.separator});
    }
    const Layout layout = Layout::rows(samples.sources[0].columns);
    const std::array<int64_t, 3> turned = {1, 0, 2};
    return importer.rows(rows, tokens_first ? layout.transposed(turned) : layout);
  }
  return {};
}

bool has_constant(const Step& step, size_t i, size_t rank) {
  return step.has(i) && step.inputs[i].known != nullptr && step.inputs[i].known->is_constant() &&
         step.inputs[i].known->dims().size() == rank && is_float(step.inputs[i].known->type());
}

// A linear layer of numbers: of an attention's rows, or of rows that were picked.
std::vector<ImportValue> linear_of(Importer& importer, const Step& step) {
  const Samples& samples = *step.inputs[0].hidden->samples;
  if (const auto places = picked_rows(importer, samples)) {
    Hidden rows = rows_of(importer, samples.sources[0]);
    const ImportValue made = importer.linear(step, rows, step.known(1), true);
    return {picked_again(importer, step, samples, *places, made.hidden->value)};
  }
  const ImportValue rows = attention_of(importer, samples);
  if (rows.absent()) {
    const NodeProto& first = samples.sources[0].from->op.node();
    step.op.refuse("what it reads was taken apart by places from ", json_quote(first.name), " (",
                   first.op_type,
                   ") on and is no attention with a window around each token, as of ",
                   "sizes or strides fixed at export");
  }
  return {importer.linear(step, *rows.hidden, step.known(1), true)};
}

// Rows that were picked, each with the same bias; absent: they are something else.
ImportValue biased(Importer& importer, const Step& step) {
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (!has_constant(step, i, 1) || !step.inputs[1 - i].has(Form::kSampled)) continue;
    const Samples& samples = *step.inputs[1 - i].hidden->samples;
    const auto places = picked_rows(importer, samples);
    if (!places || step.known(i).vector_size() != samples.sources[0].columns) continue;
    Hidden rows = rows_of(importer, samples.sources[0]);
    const ImportValue made = importer.add_bias(step, rows, step.known(i));
    return picked_again(importer, step, samples, *places, made.hidden->value);
  }
  return {};
}

// Whether the step keeps no axis of `x` whole.
bool splits_tokens(const Importer& importer, const Step& step, const Hidden& x) {
  if (!step.has(1) || step.inputs[1].known == nullptr) return false;
  std::vector<Dims> targets;
  std::vector<BatchSizes> sizes;
  for (size_t p = 0; p < kShapeProbes; ++p) {
    sizes.push_back(importer.probes()[p].sizes);
    const Dims dims = x.layout.dims(sizes[p]);
    const Array zeros = make_array(dims, ElementType::kFloat,
                                   std::vector<double>(static_cast<size_t>(count_of(dims))));
    targets.push_back(evaluate(step.op, {&zeros, &step.known(1).at(p)})[0].dims);
  }
  return !x.layout.reshaped(targets, sizes);
}

// Whether some tokens are left out, and not all but the first.
bool cuts_tokens(const Importer& importer, const Step& step, const Hidden& x) {
  for (size_t p = 0; p < kShapeProbes; ++p) {
    const Dims dims = x.layout.dims(importer.probes()[p].sizes);
    const Array sized = {dims, ElementType::kFloat, nullptr};
    Inputs inputs = {&sized};
    for (size_t i = 1; i < step.inputs.size(); ++i) {
      if (step.has(i) && step.inputs[i].known == nullptr) return false;
      inputs.push_back(step.has(i) ? &step.known(i).at(p) : nullptr);
    }
    for (const SliceRange& range : slice_ranges(step.op, dims, inputs)) {
      const bool first = range.first == 0 && range.count == 1;
      const bool part = range.count != dims[range.axis] && !first;
      if (part && x.layout[range.axis] == AtomGroup{{Axis::kToken}}) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<double> sampled_rows(const SampleSource& source, const Probe& probe) {
  const int64_t count = probe.sizes.sequences * probe.sizes.tokens * source.columns;
  std::vector<double> values(static_cast<size_t>(count));
  const uint64_t seed = seed_of(source, probe);
  for (int64_t i = 0; i < count; ++i) values[static_cast<size_t>(i)] = sample(seed, i);
  return values;
}

bool needs_samples(const Importer& importer, const Step& step) {
  if (importer.window() == 1) return false;
  const auto is_sampled = [](const ImportValue& input) { return input.has(Form::kSampled); };
  if (std::ranges::any_of(step.inputs, is_sampled)) return true;
  const auto is_rows = [](const ImportValue& input) { return input.has(Form::kRows); };
  if (std::ranges::none_of(step.inputs, is_rows)) return false;
  const std::string& type = step.op.type();
  if (type == "Pad" || type == "ScatterND" || type == "GatherND" || type == "Einsum") return true;
  if (!is_rows(step.inputs[0])) return false;
  if (type == "Slice") return cuts_tokens(importer, step, *step.inputs[0].hidden);
  if (type == "Reshape") return splits_tokens(importer, step, *step.inputs[0].hidden);
  return type == "Gather" && step.has(1) && step.inputs[1].known != nullptr &&
         count_of(step.inputs[1].known->dims()) > 1;
}

std::vector<ImportValue> import_samples(Importer& importer, const Step& step) {
  const std::string& type = step.op.type();
  const bool sampled = step.has(0) && step.inputs[0].has(Form::kSampled);
  if (sampled && type == "Shape") return shape_of(step);
  if (sampled && (type == "Identity" || type == "Dropout" || type == "Cast")) {
    return {step.inputs[0]};
  }
  if (sampled && type == "MatMul" && has_constant(step, 1, 2)) return linear_of(importer, step);
  if (type == "Add") {
    if (const ImportValue value = biased(importer, step); !value.absent()) return {value};
  }
  return computed(importer, step);
}

}  // namespace tamis::onnx
