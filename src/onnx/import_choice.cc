// Where: masks of scores and of rows, and embeddings that ids drop.
#include <cmath>

#include "onnx/ids_use.h"
#include "onnx/importer.h"
#include "onnx/rules/global_rule.h"

namespace tamis::onnx {

using graph::ValueId;

namespace {

// 1 where the condition is 0.
Known negated(const Known& condition) {
  ProbeArrays arrays;
  for (size_t p = 0; p < kProbes; ++p) {
    const Array& array = condition.at(p);
    std::vector<double> values;
    for (const double value : *array.data) values.push_back(value == 0 ? 1 : 0);
    arrays[p] = make_array(array.dims, array.type, std::move(values));
  }
  return {condition.name(), std::move(arrays), condition.ids_use()};
}

// Rows of which a choice takes those of some tokens, and one number for the others.
ImportValue chosen_rows(Importer& importer, const Step& step, Hidden& taken, double other) {
  const bool yes = step.input(1).hidden != nullptr;
  const Known& condition = *step.input(0).known;
  importer.end_steps(step, taken);
  if (is_mask(importer, condition, yes ? 1 : 0, yes ? 0 : 1)) {
    return with_padding(taken, other == 0 ? Padding::kZero : Padding::kLow);
  }
  if (other != 0) step.op.refuse("hidden states replaced where no padding is");
  ImportValue dropped = weighted_rows(importer, step, taken, yes ? condition : negated(condition));
  if (dropped.absent()) step.op.refuse("hidden states replaced where no padding is");
  return dropped;
}

// Rows of one kind for tokens that all others see, and of another for those others.
ImportValue merged_rows(Importer& importer, const Step& step) {
  Hidden& yes = step.hidden(1);
  Hidden& no = step.hidden(2);
  const Known& condition = step.known(0);
  const auto rule = global_tokens_rule(condition.all(), importer.probes(), condition.ids_use());
  const bool columns = condition.dims().empty() || condition.dims().back() != 1;
  if (!rule || columns || !(yes.layout == no.layout)) {
    step.op.refuse("a choice among hidden states that is not by tokens which all others see");
  }
  const ValueId global = importer.emit_rows(step, yes);
  const ValueId local = importer.emit_rows(step, no);
  const ValueId merged =
      importer.emit(step, graph::OpKind::kMergeGlobal, {local, global, importer.input_ids()},
                    graph::MergeGlobalAttributes{rule->rule, rule->separator});
  return importer.rows(merged, yes.layout);
}

}  // namespace

std::vector<ImportValue> import_is_nan(Importer&, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kProbabilities)) step.op.refuse("a test of something that is no probabilities");
  ImportValue result = {nullptr, std::make_shared<Hidden>(*x.hidden)};
  result.hidden->form = Form::kNotANumber;
  return {result};
}

// None is: an answer that is not finite is an error in any case.
std::vector<ImportValue> import_is_infinite(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.ends_as_rows()) step.op.refuse("a test of something that is no hidden states");
  ProbeArrays none;
  for (size_t p = 0; p < kProbes; ++p) {
    const Dims dims = x.hidden->layout.dims(importer.probes()[p].sizes);
    none[p] = make_array(dims, ElementType::kBool,
                         std::vector<double>(static_cast<size_t>(count_of(dims)), 0.0));
  }
  return {{std::make_shared<Known>(step.op.node().outputs[0], std::move(none)), nullptr}};
}

std::vector<ImportValue> import_where(Importer& importer, const Step& step) {
  const ImportValue& condition = step.input(0);
  const ImportValue& yes = step.input(1);
  const ImportValue& no = step.input(2);
  const auto is_zero = [](const ImportValue& value) {
    return value.known != nullptr && value.known->scalar() == 0.0;
  };
  if (condition.has(Form::kNotANumber) && is_zero(yes) && no.has(Form::kProbabilities)) return {no};
  if (condition.known == nullptr || (yes.hidden == nullptr && no.hidden == nullptr)) {
    step.op.refuse("a choice that is no mask");
  }
  if (yes.hidden != nullptr && no.hidden != nullptr) return {merged_rows(importer, step)};
  const ImportValue& taken = yes.hidden != nullptr ? yes : no;
  const ImportValue& other = yes.hidden != nullptr ? no : yes;
  const std::optional<double> number = other.known->scalar();
  if (taken.ends_as_rows() && number && (*number == 0 || *number <= kMaskLimit)) {
    return {chosen_rows(importer, step, *taken.hidden, *number)};
  }
  // What would be added for the same effect: 0 where the hidden value is taken.
  const IdsUse use = joined(condition.known->ids_use(), other.known->ids_use());
  std::vector<Array> added;
  for (size_t p = 0; p < kProbes; ++p) {
    const Array zero = make_array({}, ElementType::kFloat, {0});
    Array filled = other.known->at(p);
    if (taken.has(Form::kProbabilities)) filled = make_array({}, ElementType::kFloat, {-INFINITY});
    const Inputs inputs = {&condition.known->at(p), taken.hidden == yes.hidden ? &zero : &filled,
                           taken.hidden == yes.hidden ? &filled : &zero};
    added.push_back(evaluate_where(step.op, inputs)[0]);
  }
  if (taken.has(Form::kProbabilities)) {
    if (!is_zero(other)) step.op.refuse("probabilities replaced by something that is not 0");
    check_pairs(step, *taken.hidden);
    // After the softmax a narrower mask would leave rows that do not add up to 1.
    if (!(checked_mask(importer, step, added, use) == taken.hidden->mask.value_or(MaskRule{}))) {
      step.op.refuse("probabilities masked otherwise than their scores were");
    }
    return {taken};
  }
  const bool maskable = taken.has(Form::kScores) || taken.has(Form::kDistanceBias);
  if (!maskable || taken.hidden->mask) step.op.refuse("a choice that is no mask");
  check_pairs(step, *taken.hidden);
  ImportValue result = {nullptr, std::make_shared<Hidden>(*taken.hidden)};
  result.hidden->mask = checked_mask(importer, step, added, use);
  return {result};
}

}  // namespace tamis::onnx
