#include "onnx/import_onnx.h"

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "onnx/compared_ids.h"
#include "onnx/import_lengths.h"
#include "onnx/importer.h"
#include "onnx/tidy.h"

namespace tamis::onnx {

using graph::kNoValue;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

// Enough for the first reading, which finds out how many positions there are, and short enough for
// every table.
constexpr int64_t kScoutTokens = 8;
// The square of it is what masks have: 2 MB each.
constexpr int64_t kMostTokens = 512;

// Short sequences of the probes have fewer tokens.
constexpr int64_t kLeastWindow = 8;
// Longformer's own are 512.
constexpr int64_t kMostWindow = 1024;

constexpr std::string_view kHiddenNames[] = {"token_embeddings", "last_hidden_state"};
constexpr std::string_view kKnownOutputs =
    "logits, start_logits with end_logits, last_hidden_state, token_embeddings and "
    "sentence_embedding";

// Rows of the table that the ids named `input` look into, 0 if nothing does.
int64_t table_rows(const graph::Graph& graph, std::string_view input) {
  const ValueId ids = graph.find_value(input);
  for (const graph::Node& node : graph.nodes()) {
    if (ids != kNoValue && node.op == OpKind::kGather && node.operand(Operand::kIds) == ids) {
      return graph.value(node.operand(Operand::kTable)).shape[0].size;
    }
  }
  return 0;
}

// The answer among a file's outputs, found by its name.
class OutputCollector {
 public:
  OutputCollector(const ModelProto& model, Importer& importer)
      : model_(model), importer_(importer), answers_(answers_of(model.graph)) {}

  ImportedModel collect() {
    if (has("start_logits") && has("end_logits")) {
      collect_spans();
    } else if (has("logits")) {
      collect_logits("logits");
    } else if (has("sentence_embedding") || !hidden_name().empty()) {
      collect_embeddings();
    } else {
      collect_only();
    }
    return std::move(result_);
  }

  [[nodiscard]] ValueId vocabulary_logits() const { return vocabulary_logits_; }

 private:
  [[nodiscard]] bool has(std::string_view name) const {
    return std::ranges::find(answers_, name) != answers_.end();
  }

  [[nodiscard]] std::string_view hidden_name() const {
    for (const std::string_view name : kHiddenNames) {
      if (has(name)) return name;
    }
    return "";
  }

  template <typename... Parts>
  [[noreturn]] void refuse(std::string_view name, const Parts&... parts) const {
    fail(ErrorCode::kUnsupported, importer_.source(), ": output ", json_quote(name.substr(0, 200)),
         ": ", parts...);
  }

  // The hidden value of an output, which is rows.
  Hidden& rows(std::string_view name) {
    const ImportValue value = importer_.value(std::string(name));
    const bool is_rows = value.ends_as_rows();
    if (!is_rows || value.integers) refuse(name, "is not made of hidden states");
    return *value.hidden;
  }

  // A step to blame where the output itself is what is not understood.
  ValueId emitted(std::string_view name, Hidden& hidden) {
    const auto& nodes = model_.graph.nodes;
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (std::ranges::find(nodes[i].outputs, name) == nodes[i].outputs.end()) continue;
      return importer_.emit_rows({Operation(nodes[i], i, 0, importer_.source()), {}}, hidden);
    }
    refuse(name, "is no node's output");
  }

  int64_t columns_of(ValueId id) const { return importer_.graph().value(id).shape[1].size; }

  void add(std::string_view name, ValueId id) {
    importer_.graph().add_output(name, id);
    result_.output_size = columns_of(id);
  }

  void collect_logits(std::string_view name) {
    Hidden& hidden = rows(name);
    const ValueId id = emitted(name, hidden);
    add("logits", id);
    if (!hidden.layout.has(Axis::kToken)) {
      result_.output = OutputKind::kSequenceLogits;
    } else if (result_.output_size == table_rows(importer_.graph(), graph::kInputIds)) {
      result_.output = OutputKind::kVocabularyLogits;
      vocabulary_logits_ = id;
    } else {
      result_.output = OutputKind::kTokenLogits;
    }
  }

  // Two columns of one linear layer.
  void collect_spans() {
    const Hidden& start = rows("start_logits");
    const Hidden& end = rows("end_logits");
    const bool both = start.form == Form::kRows && end.form == Form::kRows &&
                      start.value == end.value && start.first_column == 0 &&
                      end.first_column == 1 && columns_of(start.value) == 2 && !start.function &&
                      !end.function;
    if (!both) refuse("start_logits", "is not column 0 of a layer whose column 1 is end_logits");
    add("logits", start.value);
    result_.output = OutputKind::kSpanLogits;
  }

  void collect_embeddings() {
    const std::string_view name = hidden_name();
    if (!name.empty()) {
      Hidden& hidden = rows(name);
      if (!hidden.layout.has(Axis::kToken)) refuse(name, "has no row for each token");
      add("token_embeddings", emitted(name, hidden));
    }
    if (!has("sentence_embedding")) return;
    Hidden& sentence = rows("sentence_embedding");
    if (sentence.layout.has(Axis::kToken)) refuse("sentence_embedding", "has a row for each token");
    collect_sentence("sentence_embedding", sentence);
  }

  // Division by the length is the caller's, who may cut columns off before.
  void collect_sentence(std::string_view name, const Hidden& sentence) {
    Hidden plain = sentence;
    result_.unit_length = plain.form == Form::kUnitLength;
    if (result_.unit_length) plain.form = Form::kRows;
    add("sentence_embedding", emitted(name, plain));
    result_.output = OutputKind::kSentenceEmbedding;
  }

  // A name that is not known says nothing; alone it is the answer all the same.
  void collect_only() {
    if (model_.graph.outputs.size() != 1) {
      std::string names;
      for (const ValueProto& output : model_.graph.outputs) {
        names += cat(names.empty() ? "" : ", ", output.name.substr(0, 100));
      }
      fail(ErrorCode::kUnsupported, importer_.source(), ": outputs ", names,
           "; which one is the answer is known of ", kKnownOutputs);
    }
    const std::string& name = model_.graph.outputs[0].name;
    Hidden& hidden = rows(name);
    if (!hidden.layout.has(Axis::kToken)) return collect_sentence(name, hidden);
    add("token_embeddings", emitted(name, hidden));
  }

  const ModelProto& model_;
  Importer& importer_;
  std::vector<std::string> answers_;
  ImportedModel result_;
  ValueId vocabulary_logits_ = kNoValue;
};

// Columns of what the last norm of the encoder makes.
int64_t hidden_columns(const graph::Graph& graph) {
  int64_t columns = 0;
  for (const graph::Node& node : graph.nodes()) {
    const graph::SymbolicShape& shape = graph.value(node.output).shape;
    const bool rows = shape.rank() == 2 && shape[0].symbol == graph::Symbol::kTokens;
    const bool norm =
        node.op == OpKind::kLayerNormalization || node.op == OpKind::kRMSNormalization;
    if (norm && rows) columns = shape[1].size;
  }
  return columns;
}

ImportedModel collected(const ModelProto& model, Importer& importer, const ImportOptions& options) {
  if (importer.horizon() != kAnyTokens) importer.limit_positions(importer.horizon());
  OutputCollector outputs(model, importer);
  ImportedModel result = outputs.collect();
  result.graph = tidy(importer.graph(), {options.prefix, outputs.vocabulary_logits()});
  graph::verify(result.graph);
  result.vocab_size = table_rows(result.graph, graph::kInputIds);
  result.type_vocab_size = table_rows(result.graph, graph::kTokenTypeIds);
  result.hidden_size = hidden_columns(result.graph);
  result.max_positions = importer.max_positions();
  result.activation_scales = importer.activation_scales();
  return result;
}

ImportedModel read_windows(const ModelProto& model, std::string_view source,
                           const ImportOptions& options, const ProbePlan& plan) {
  ImportCache cache;
  Importer importer(model, source, plan, cache, options);
  importer.run();
  if (plan.one_window) importer.limit_positions(plan.window);
  return collected(model, importer, options);
}

bool pads(const ModelProto& model) {
  return std::ranges::any_of(model.graph.nodes,
                             [](const NodeProto& node) { return node.op_type == "Pad"; });
}

// A file that pads its inputs to multiples of a window. What holds for one window alone, as its
// sizes were fixed at export, holds for texts that are no longer.
ImportedModel import_windows(const ModelProto& model, std::string_view source,
                             const ImportOptions& options, ProbePlan plan) {
  if (plan.window > kMostWindow) {
    fail(ErrorCode::kUnsupported, source, ": inputs padded to multiples of ", plan.window,
         "; at most ", kMostWindow, " is accepted");
  }
  if (plan.window < kLeastWindow) return read_windows(model, source, options, plan);
  try {
    return read_windows(model, source, options, plan);
  } catch (const Error& error) {
    log(LogLevel::kInfo,
        cat(error.what(), "; texts of at most ", plan.window, " tokens are tried"));
  }
  plan.one_window = true;
  return read_windows(model, source, options, plan);
}

}  // namespace

std::vector<std::string> answers_of(const GraphProto& graph) {
  const auto has = [&graph](std::string_view name) {
    return std::ranges::any_of(graph.outputs,
                               [name](const ValueProto& output) { return output.name == name; });
  };
  if (has("start_logits") && has("end_logits")) return {"start_logits", "end_logits"};
  if (has("logits")) return {"logits"};
  std::vector<std::string> names;
  for (const std::string_view name : kHiddenNames) {
    if (names.empty() && has(name)) names.emplace_back(name);
  }
  if (has("sentence_embedding")) names.emplace_back("sentence_embedding");
  if (!names.empty()) return names;
  for (const ValueProto& output : graph.outputs) names.push_back(output.name);
  return names;
}

ImportedModel import_onnx(const ModelProto& model, std::string_view source,
                          const ImportOptions& options) {
  ImportCache cache;
  const ProbePlan short_texts = {.longest = kScoutTokens,
                                 .thrice = pads(model) ? placed_id(model) : -1};
  Importer scout(model, source, short_texts, cache, options);
  scout.run();
  if (scout.pads_to() > 1) {
    return import_windows(model, source, options,
                          {.window = scout.pads_to(), .thrice = short_texts.thrice});
  }
  const int64_t positions = scout.max_positions();
  const int64_t longest = positions == 0 ? kMostTokens : std::min(positions, kMostTokens);
  const ProbePlan plan = {.longest = longest, .late = compared_digits(model)};
  Importer importer(model, source, plan, cache, options);
  importer.run();
  if (importer.long_from() > 0) {
    Importer of_long(model, source, plan, cache, options);
    of_long.read_as_long();
    of_long.run();
    merge_lengths(importer.graph(), of_long.graph(), importer.long_from(), source);
  }
  return collected(model, importer, options);
}

}  // namespace tamis::onnx
