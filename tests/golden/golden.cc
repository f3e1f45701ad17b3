#include "tests/golden/golden.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/json.h"
#include "engine/batch_builder.h"
#include "tests/support/gzip_file.h"

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

std::vector<Result> run(const engine::Engine& engine, engine::Session& session,
                        std::span<const Case> cases) {
  engine::BatchBuilder builder;
  for (const Case& c : cases) builder.append({c.input_ids, c.token_type_ids, {}, c.logits_rows});
  const engine::PackedBatch batch = builder.batch();
  const engine::RowMap rows(batch);
  engine::Outputs outputs;
  session.run(batch, outputs);
  std::vector<Result> results(cases.size());
  for (const engine::EngineOutput& output : engine.info().outputs) {
    const std::span<const float> values = outputs.get(output.name).as<float>();
    TAMIS_CHECK(static_cast<int64_t>(values.size()) == rows.total(output.unit) * output.width);
    for (size_t i = 0; i < cases.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const engine::RowRange range = rows.rows(output.unit, at, at + 1);
      const auto part = values.subspan(static_cast<size_t>(range.begin * output.width),
                                       static_cast<size_t>(range.count * output.width));
      results[i][output.name].assign(part.begin(), part.end());
    }
  }
  return results;
}

std::shared_ptr<const engine::Engine> engine_of(const Subject& subject, ThreadPool& pool) {
  engine::EngineOptions options = subject.options;
  options.pool = engine::borrow(pool);
  return engine::make_engine(subject.graph, options);
}

}  // namespace

Golden read_golden(const fs::path& folder) {
  const std::string source = (folder / "golden.json.gz").string();
  const std::string text = test::read_gzip(source);
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
    if (entry.path().filename() != "golden.json.gz") continue;
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

std::vector<int> thread_counts(Isa isa) {
  const std::span<const Isa> all = all_isas();
  const auto last =
      std::find_if(all.rbegin(), all.rend(), [](Isa one) { return detected_isas().has(one); });
  if (isa == *last || isa == host_isas().back()) return {1, 3, 8};
  return {1, 3};
}

Subject make_subject(const graph::Graph& graph, Isa isa, engine::Precision precision) {
  Subject subject;
  subject.graph = graph;
  subject.options.isas = isas_up_to(isa_name(isa));
  subject.options.precision = precision;
  return subject;
}

std::vector<Result> run_together(const Subject& subject, ThreadPool& pool,
                                 std::span<const Case> cases) {
  const auto engine = engine_of(subject, pool);
  return run(*engine, *engine->make_session(), cases);
}

std::vector<Result> run_apart(const Subject& subject, ThreadPool& pool,
                              std::span<const Case> cases) {
  const auto engine = engine_of(subject, pool);
  const auto session = engine->make_session();
  std::vector<Result> results;
  for (const Case& c : cases) results.push_back(run(*engine, *session, {&c, 1})[0]);
  return results;
}

int64_t layers_of(const ModelConfig& config) {
  int64_t decoder = 0;
  if (config.model_type.ends_with("bart")) {
    decoder = config.fields.integer("decoder_layers", 12, 0, 1024);
  } else if (config.architectures.at(0).ends_with("T5ForSequenceClassification")) {
    decoder = config.fields.integer("num_decoder_layers", config.num_hidden_layers, 0, 1024);
  }
  return config.num_hidden_layers * config.inner_group_num + 2 * decoder;
}

double tolerance(const ModelConfig& config, const Case& of, const Recorded& recorded) {
  double magnitude = 0;
  for (const float value : recorded.values) {
    magnitude = std::max(magnitude, std::abs(static_cast<double>(value)));
  }
  const auto tokens = static_cast<int64_t>(of.input_ids.size());
  const int64_t layer = 3 * config.hidden_size + config.intermediate_size +
                        config.hidden_size / config.num_attention_heads + tokens + 10;
  const int64_t roundings = layers_of(config) * layer + 2 * config.hidden_size;
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
