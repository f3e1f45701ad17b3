// One token of each sequence, by a place that follows from masks, sizes and ids.
#include "onnx/ids_use.h"
#include "onnx/importer.h"
#include "onnx/rules/pool_rule.h"

namespace tamis::onnx {

namespace {

bool are_rows_of_batch(const Hidden& x) {
  return x.layout.rank() == 3 && x.layout[0] == AtomGroup{{Axis::kSequence}} &&
         x.layout[1] == AtomGroup{{Axis::kToken}};
}

// Rows at `places`, one for each sequence in every probe.
ImportValue picked(Importer& importer, const Step& step, const std::vector<Array>& places,
                   IdsUse use, Layout layout) {
  const auto pool = importer.shows_ends(use) ? place_rule(places, importer.probes()) : std::nullopt;
  if (!pool) {
    step.op.refuse(
        "rows at places that name neither each sequence's first token nor its last, nor the last "
        "whose id is not that of padding");
  }
  Hidden& x = step.hidden(0);
  importer.emit_rows(step, x);
  Hidden rows = x;
  rows.layout = std::move(layout);
  return pooled_rows(importer, step, rows, *pool);
}

// Places [batch] of indices [batch, 1, columns] that are the same for all columns.
std::optional<Array> places_of_elements(const Array& indices, const Dims& data) {
  if (indices.dims != Dims{data[0], 1, data[2]}) return std::nullopt;
  std::vector<double> places;
  for (int64_t i = 0; i < indices.elements(); ++i) {
    if (i % data[2] == 0) places.push_back(indices[i]);
    if (indices[i] != places.back()) return std::nullopt;
  }
  return make_array({data[0]}, ElementType::kInt64, std::move(places));
}

// The same of pairs [batch, 2], of a sequence each and a place.
std::optional<Array> places_of_pairs(const Array& pairs, const Dims& data) {
  if (pairs.dims != Dims{data[0], 2}) return std::nullopt;
  std::vector<double> places;
  for (int64_t b = 0; b < data[0]; ++b) {
    if (pairs[2 * b] != static_cast<double>(b)) return std::nullopt;
    places.push_back(pairs[2 * b + 1]);
  }
  return make_array({data[0]}, ElementType::kInt64, std::move(places));
}

// The same of rows [batch] of all sequences' tokens end to end.
std::optional<Array> places_of_rows(const Array& rows, const BatchSizes& sizes) {
  if (rows.dims != Dims{sizes.sequences}) return std::nullopt;
  std::vector<double> places;
  for (int64_t b = 0; b < sizes.sequences; ++b) {
    places.push_back(rows[b] - static_cast<double>(b * sizes.tokens));
  }
  return make_array({sizes.sequences}, ElementType::kInt64, std::move(places));
}

// What `read` makes of the indices in every probe, or an error.
template <typename Read>
std::vector<Array> all_places(const Importer& importer, const Step& step, Read read) {
  std::vector<Array> places;
  for (size_t p = 0; p < kProbes; ++p) {
    auto here = read(step.known(1).at(p), importer.probes()[p].sizes);
    if (!here) step.op.refuse("more than one row of each sequence, or columns of several");
    places.push_back(*std::move(here));
  }
  return places;
}

// The id of which the pairs [n, 2] are all places, padding's too; nothing: other places.
std::optional<int64_t> id_of_pairs(const Importer& importer, const Known& pairs) {
  const auto are_of = [&](double id) {
    for (size_t p = 0; p < kProbes; ++p) {
      const Probe& probe = importer.probes()[p];
      std::vector<double> places;
      for (int64_t i = 0; i < probe.input_ids.elements(); ++i) {
        if (probe.input_ids[i] != id) continue;
        const int64_t sequence = i / probe.sizes.tokens;
        places.push_back(static_cast<double>(sequence));
        places.push_back(static_cast<double>(i % probe.sizes.tokens));
      }
      const auto count = static_cast<int64_t>(places.size()) / 2;
      if (pairs.at(p).dims != Dims{count, 2} || *pairs.at(p).data != places) return false;
    }
    return true;
  };
  for (const double id : ids_of(importer.probes())) {
    if (are_of(id)) return static_cast<int64_t>(id);
  }
  return std::nullopt;
}

}  // namespace

ImportValue last_of_token(Importer& importer, const Step& step, const Hidden& x, bool keep_axis) {
  if (!are_rows_of_batch(x)) {
    step.op.refuse("rows of one id that are not [batch, those of a sequence, hidden]");
  }
  Hidden rows = x;
  rows.layout = keep_axis ? x.layout.with_axis(1, {}) : x.layout.without_axis(1);
  graph::PoolAttributes last{{Pooling::kLastToken}};
  last.token = x.token;
  return pooled_rows(importer, step, rows, std::move(last));
}

ImportValue picked_elements(Importer& importer, const Step& step) {
  const Hidden& x = step.hidden(0);
  if (!are_rows_of_batch(x) || axis_of(step.op.integer("axis", 0), x.layout.rank()) != 1) {
    step.op.refuse("elements that are no rows of [batch, sequence, hidden]");
  }
  const Layout& layout = x.layout;
  return picked(importer, step,
                all_places(importer, step,
                           [&layout](const Array& indices, const BatchSizes& sizes) {
                             return places_of_elements(indices, layout.dims(sizes));
                           }),
                step.known(1).ids_use(), layout.with_axis(1, {}));
}

ImportValue picked_of_all(Importer& importer, const Step& step) {
  const Hidden& x = step.hidden(0);
  const bool all = x.layout.rank() == 2 &&
                   x.layout[0] == AtomGroup{{Axis::kSequence}, {Axis::kToken}} &&
                   step.known(1).dims().size() == 1 && !step.known(1).is_constant();
  if (!all || axis_of(step.op.integer("axis", 0), 2) != 0) return {};
  return picked(importer, step, all_places(importer, step, places_of_rows), step.known(1).ids_use(),
                x.layout.with_axis(0, {{Axis::kSequence}}));
}

std::vector<ImportValue> import_gather_nd(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.ends_as_rows() || !are_rows_of_batch(*x.hidden) || step.op.integer("batch_dims", 0) != 0) {
    step.op.refuse("elements that are no rows of [batch, sequence, hidden]");
  }
  const Layout& layout = x.hidden->layout;
  const auto id = importer.shows_ends(step.known(1).ids_use())
                      ? id_of_pairs(importer, step.known(1))
                      : std::nullopt;
  if (id) {
    importer.emit_rows(step, *x.hidden);
    ImportValue rows = in_form(*x.hidden, Form::kOfToken);
    rows.hidden->token = *id;
    rows.hidden->layout = Layout({{{Axis::kSequence}, {Axis::kToken}}, layout[2]});
    return {rows};
  }
  return {picked(importer, step,
                 all_places(importer, step,
                            [&layout](const Array& indices, const BatchSizes& sizes) {
                              return places_of_pairs(indices, layout.dims(sizes));
                            }),
                 step.known(1).ids_use(), layout.without_axis(1))};
}

}  // namespace tamis::onnx
