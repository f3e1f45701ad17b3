#include "tests/golden/golden.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "runtime/session.h"

namespace tamis::golden {

namespace fs = std::filesystem;

namespace {

std::vector<int32_t> read_ids(JsonView array) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < array.size(); ++i) {
    ids.push_back(static_cast<int32_t>(array.at(i).as_int("id")));
  }
  return ids;
}

void read_values(JsonView value, std::vector<float>& out) {
  if (!value.is_array()) {
    out.push_back(static_cast<float>(value.as_double("value")));
    return;
  }
  for (size_t i = 0; i < value.size(); ++i) read_values(value.at(i), out);
}

Case read_case(JsonView json) {
  Case result;
  result.text = json.get("text").as_string("text");
  result.has_prompt = !json.get("prompt_name").is_null();
  result.input_ids = read_ids(json.get("input_ids"));
  result.token_type_ids = read_ids(json.get("token_type_ids"));
  result.logits_rows = read_ids(json.get("logits_rows"));
  const JsonView outputs = json.get("outputs");
  for (size_t i = 0; i < outputs.size(); ++i) {
    const JsonView::Member member = outputs.member(i);
    Recorded& recorded = result.outputs[std::string(member.key)];
    read_values(member.value, recorded.values);
    const JsonView diff = json.get("outputs_f64_maxdiff").get(member.key);
    if (diff) recorded.f64_maxdiff = diff.as_double("outputs_f64_maxdiff");
  }
  return result;
}

// The arrays that a PackedBatch borrows.
struct Packed {
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  std::vector<int32_t> cu_seqlens = {0};
  std::vector<int32_t> selected_tokens;
  int32_t max_seqlen = 0;

  explicit Packed(std::span<const Case> cases) {
    for (const Case& c : cases) {
      const auto start = static_cast<int32_t>(input_ids.size());
      for (const int32_t row : c.logits_rows) selected_tokens.push_back(start + row);
      input_ids.insert(input_ids.end(), c.input_ids.begin(), c.input_ids.end());
      token_type_ids.insert(token_type_ids.end(), c.token_type_ids.begin(), c.token_type_ids.end());
      cu_seqlens.push_back(static_cast<int32_t>(input_ids.size()));
      max_seqlen = std::max(max_seqlen, static_cast<int32_t>(c.input_ids.size()));
    }
  }
  [[nodiscard]] runtime::PackedBatch view() const {
    runtime::PackedBatch batch;
    batch.input_ids = input_ids;
    batch.token_type_ids = token_type_ids;
    batch.cu_seqlens = cu_seqlens;
    batch.selected_tokens = selected_tokens;
    batch.max_seqlen = max_seqlen;
    return batch;
  }
};

int64_t rows_of(const Case& c, graph::Symbol symbol) {
  if (symbol == graph::Symbol::kSequences) return 1;
  const bool selected = symbol == graph::Symbol::kSelected && !c.logits_rows.empty();
  return static_cast<int64_t>(selected ? c.logits_rows.size() : c.input_ids.size());
}

std::vector<Result> run(runtime::Session& session, std::span<const Case> cases) {
  const Packed packed(cases);
  runtime::Outputs outputs;
  session.run(packed.view(), outputs);
  std::vector<Result> results(cases.size());
  for (const runtime::PlanOutput& output : session.plan().outputs()) {
    const std::span<const float> values = outputs.get(output.name).as<float>();
    size_t at = 0;
    for (size_t i = 0; i < cases.size(); ++i) {
      const auto size = static_cast<size_t>(rows_of(cases[i], output.symbol) * output.row_elements);
      TAMIS_CHECK(at + size <= values.size());
      const std::span<const float> part = values.subspan(at, size);
      results[i][output.name].assign(part.begin(), part.end());
      at += size;
    }
    TAMIS_CHECK(at == values.size());
  }
  return results;
}

}  // namespace

Golden read_golden(const fs::path& folder) {
  const std::string source = (folder / "golden.json").string();
  const std::string text = read_file(source);
  const JsonDocument document = JsonDocument::parse(text, source);
  const JsonView root = document.root();
  Golden golden;
  golden.head = root.get("head").as_string("head");
  const JsonView normalized_flag = root.get("normalized");
  golden.normalized = normalized_flag && normalized_flag.as_bool("normalized");
  const JsonView cases = root.get("cases");
  std::map<std::string, double> largest;
  for (size_t i = 0; i < cases.size(); ++i) {
    golden.cases.push_back(read_case(cases.at(i)));
    for (const auto& [name, recorded] : golden.cases.back().outputs) {
      largest[name] = std::max(largest[name], recorded.f64_maxdiff);
    }
  }
  for (Case& c : golden.cases) {
    for (auto& [name, recorded] : c.outputs) recorded.f64_maxdiff_of_all = largest[name];
  }
  return golden;
}

std::vector<std::string> golden_folders(const std::string& root) {
  const fs::path testdata = TAMIS_TESTDATA;
  std::vector<std::string> folders;
  for (const auto& entry : fs::recursive_directory_iterator(testdata / root)) {
    if (entry.path().filename() != "golden.json") continue;
    folders.push_back(entry.path().parent_path().lexically_relative(testdata).string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::vector<Isa> host_isas() {
  std::vector<Isa> found;
  for (const Isa isa : {Isa::kReference, Isa::kAvx2, Isa::kAvx512}) {
    if (detected_isas().has(isa)) found.push_back(isa);
  }
  return found;
}

std::shared_ptr<const runtime::Plan> make_plan(const graph::Graph& graph, Isa isa,
                                               runtime::FloatArithmetic arithmetic) {
  runtime::PlanOptions options;
  options.float_arithmetic = arithmetic;
  options.isas = isas_up_to(isa_name(isa));
  return runtime::Plan::make(graph, options);
}

std::vector<Result> run_together(const std::shared_ptr<const runtime::Plan>& plan, ThreadPool& pool,
                                 std::span<const Case> cases) {
  runtime::Session session(plan, pool);
  return run(session, cases);
}

std::vector<Result> run_apart(const std::shared_ptr<const runtime::Plan>& plan, ThreadPool& pool,
                              std::span<const Case> cases) {
  runtime::Session session(plan, pool);
  std::vector<Result> results;
  for (const Case& c : cases) results.push_back(run(session, {&c, 1}).front());
  return results;
}

double tolerance(const ModelConfig& config, const Case& of, const Recorded& recorded) {
  double magnitude = 0;
  for (const float value : recorded.values) {
    magnitude = std::max(magnitude, std::abs(static_cast<double>(value)));
  }
  const auto tokens = static_cast<int64_t>(of.input_ids.size());
  const int64_t layer = 3 * config.hidden_size + config.intermediate_size +
                        config.hidden_size / config.num_attention_heads + tokens + 10;
  const int64_t roundings =
      config.num_hidden_layers * config.inner_group_num * layer + 2 * config.hidden_size;
  constexpr double kHalfEps = 0x1p-24;
  return recorded.f64_maxdiff + recorded.f64_maxdiff_of_all +
         4 * kHalfEps * std::sqrt(static_cast<double>(roundings)) * magnitude;
}

double max_difference(std::span<const float> left, std::span<const float> right) {
  if (left.size() != right.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    const double difference = std::abs(static_cast<double>(left[i]) - right[i]);
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

bool same_bits(const Result& left, const Result& right) {
  return std::equal(
      left.begin(), left.end(), right.begin(), right.end(), [](const auto& a, const auto& b) {
        return a.first == b.first && a.second.size() == b.second.size() &&
               std::memcmp(a.second.data(), b.second.data(), a.second.size() * sizeof(float)) == 0;
      });
}

std::string test_name(const std::string& folder) {
  std::string name = folder.substr(folder.find('/') + 1);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '/'; }, '_');
  return name;
}

std::vector<float> normalized(std::span<const float> row) {
  double squares = 0;
  for (const float value : row) squares += static_cast<double>(value) * value;
  std::vector<float> unit;
  for (const float value : row) unit.push_back(static_cast<float>(value / std::sqrt(squares)));
  return unit;
}

}  // namespace tamis::golden
