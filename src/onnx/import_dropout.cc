// Embeddings times what the masks of their text make, as ESM-2 has them.
#include "onnx/importer.h"
#include "onnx/rules.h"

namespace tamis::onnx {

namespace {

// Factors of ids with one number for each token or sequence.
bool spreads_over_tokens(const Importer& importer, const Array& factors, size_t probe) {
  const BatchSizes& sizes = importer.probes()[probe].sizes;
  return factors.dims.size() == 3 && factors.dims[0] == sizes.sequences &&
         factors.dims[1] == sizes.tokens && factors.dims[2] == 1;
}

}  // namespace

ImportValue dropped_rows(const Importer& importer, const Hidden& rows, const Known& condition,
                         bool kept) {
  const bool fits = !condition.is_constant() && rows.layout.is_rows(rows.columns) &&
                    !follows_mask(condition.all(), importer.probes(), kept ? 1 : 0, kept ? 0 : 1);
  if (!fits) return {};
  ProbeArrays factors;
  for (size_t p = 0; p < kProbes; ++p) {
    const Array& array = condition.at(p);
    if (!spreads_over_tokens(importer, array, p)) return {};
    std::vector<double> values;
    for (int64_t i = 0; i < array.elements(); ++i) {
      values.push_back((array[i] != 0) == kept ? 1 : 0);
    }
    factors[p] = make_array(array.dims, ElementType::kFloat, std::move(values));
  }
  ImportValue result = in_form(rows, Form::kDropped);
  result.hidden->known = std::make_shared<const Known>(condition.name(), std::move(factors));
  return result;
}

ImportValue times_dropout(const Importer& importer, const Step& step, const Hidden& rows,
                          const Known& by, bool divide) {
  ProbeArrays factors;
  for (size_t p = 0; p < kProbes; ++p) {
    const auto joined = [divide](double x, double y) { return divide ? x / y : x * y; };
    factors[p] = combine(rows.known->at(p), by.at(p), ElementType::kFloat, joined);
    if (!spreads_over_tokens(importer, factors[p], p))
      step.op.refuse("factors that are not one for each token or sequence");
  }
  ImportValue result = in_form(rows, Form::kDropped);
  result.hidden->known = std::make_shared<const Known>(by.name(), std::move(factors));
  return result;
}

}  // namespace tamis::onnx
