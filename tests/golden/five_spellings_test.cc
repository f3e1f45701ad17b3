// One set of BERT weights saved again as the other families would hold it: the same embedding.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "models/models.h"
#include "passes/pipeline.h"
#include "tests/golden/golden.h"
#include "tests/support/test_paths.h"

namespace tamis::golden {
namespace {

// RoBERTa's positions start behind its padding token, 1 by custom.
constexpr int64_t kRobertaPadding = 1;

struct Renaming {
  std::string_view bert;
  std::string_view other;
};

constexpr Renaming kDistilBertNames[] = {
    {"encoder.layer", "transformer.layer"},
    {"attention.self.query", "attention.q_lin"},
    {"attention.self.key", "attention.k_lin"},
    {"attention.self.value", "attention.v_lin"},
    {"attention.output.dense", "attention.out_lin"},
    {"attention.output.LayerNorm", "sa_layer_norm"},
    {"intermediate.dense", "ffn.lin1"},
    {"output.dense", "ffn.lin2"},
    {"output.LayerNorm", "output_layer_norm"},
};

std::string distilbert_name(std::string name) {
  for (const Renaming& row : kDistilBertNames) {
    const size_t at = name.find(row.bert);
    if (at != name.npos) name.replace(at, row.bert.size(), row.other);
  }
  return name;
}

// A BERT encoder without head, and where to write its other spellings.
class Source {
 public:
  explicit Source(const std::filesystem::path& folder)
      : config_(ModelConfig::read(folder / "config.json")),
        scratch_(std::filesystem::path(testing::TempDir()) / cat("tamis_spellings_", getpid())) {
    for (const StoredTensor& stored : read_weights(folder)) {
      if (stored.name.starts_with("pooler.") || stored.name.ends_with("position_ids")) continue;
      tensors_.emplace(stored.name, to_float32(stored.tensor->view()));
    }
  }
  ~Source() {
    std::error_code ignored;
    std::filesystem::remove_all(scratch_, ignored);
  }

  [[nodiscard]] const ModelConfig& config() const { return config_; }

  std::shared_ptr<const Checkpoint> as_electra() const { return save("electra", tensors_, {}); }

  std::shared_ptr<const Checkpoint> as_roberta(const std::string& model_type) const {
    auto tensors = tensors_;
    const Tensor& positions = tensors_.at(kPositions);
    const Tensor& types = tensors_.at(kTypes);
    const int64_t rows = positions.shape()[0] + kRobertaPadding + 1;
    Tensor shifted(DType::kF32, Shape{rows, width()});
    const auto offset = static_cast<size_t>((kRobertaPadding + 1) * width());
    std::copy_n(positions.as<float>().begin(), positions.elements(),
                shifted.mutable_as<float>().begin() + static_cast<std::ptrdiff_t>(offset));
    tensors[kPositions] = std::move(shifted);
    tensors[kTypes] =
        Tensor::from(Shape{1, width()}, types.as<float>().first(static_cast<size_t>(width())));
    return save(model_type, tensors,
                {{"max_position_embeddings", rows},
                 {"type_vocab_size", 1},
                 {"pad_token_id", kRobertaPadding}});
  }

  std::shared_ptr<const Checkpoint> as_distilbert() const {
    std::map<std::string, Tensor> tensors;
    for (const auto& [name, tensor] : tensors_) {
      if (name != kTypes) tensors[distilbert_name(name)] = tensor;
    }
    Tensor folded = to_float32(tensors_.at(kPositions).view());
    const auto row = tensors_.at(kTypes).as<float>().first(static_cast<size_t>(width()));
    const auto values = folded.mutable_as<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] += row[i % row.size()];
    tensors[kPositions] = std::move(folded);
    return save("distilbert", tensors, {});
  }

 private:
  static constexpr const char* kPositions = "embeddings.position_embeddings.weight";
  static constexpr const char* kTypes = "embeddings.token_type_embeddings.weight";

  int64_t width() const { return config_.hidden_size; }

  std::shared_ptr<const Checkpoint> save(const std::string& model_type,
                                         const std::map<std::string, Tensor>& tensors,
                                         const std::map<std::string, int64_t>& overrides) const {
    const std::filesystem::path folder = scratch_ / model_type;
    std::filesystem::create_directories(folder);
    std::vector<NamedTensor> named;
    for (const auto& [name, tensor] : tensors) named.push_back({name, tensor.view()});
    write_safetensors(folder / "model.safetensors", named);

    const bool distil = model_type == "distilbert";
    std::map<std::string, int64_t> sizes = {
        {"vocab_size", config_.vocab_size},
        {distil ? "dim" : "hidden_size", config_.hidden_size},
        {distil ? "n_layers" : "num_hidden_layers", config_.num_hidden_layers},
        {distil ? "n_heads" : "num_attention_heads", config_.num_attention_heads},
        {distil ? "hidden_dim" : "intermediate_size", config_.intermediate_size},
        {"max_position_embeddings", config_.max_position_embeddings},
        {"type_vocab_size", config_.type_vocab_size},
        {"embedding_size", config_.hidden_size},
        {"pad_token_id", 0}};
    for (const auto& [key, value] : overrides) sizes[key] = value;
    JsonWriter json;
    json.begin_object().member("model_type", model_type);
    json.member(distil ? "activation" : "hidden_act", activation_name(config_.hidden_act));
    json.member("layer_norm_eps", config_.layer_norm_eps);
    for (const auto& [key, value] : sizes) json.member(key, value);
    json.end_object();
    write_file(folder / "config.json", json.str());
    return Checkpoint::open(folder);
  }

  ModelConfig config_;
  std::filesystem::path scratch_;
  std::map<std::string, Tensor> tensors_;
};

std::vector<Result> embed(const Checkpoint& checkpoint, std::span<const Case> cases) {
  models::BuiltModel model = models::build_model(checkpoint, {models::HeadKind::kEmbedding, {}});
  passes::run_pipeline(model.graph);
  ThreadPool pool(default_thread_count());
  return run_together(make_subject(model.graph, host_isas().back()), pool, cases);
}

// Segment 0 everywhere: the only one that all five families have.
std::vector<Case> first_segment_cases(const std::filesystem::path& golden, size_t count) {
  std::vector<Case> cases = read_golden(golden).cases;
  cases.resize(std::min(cases.size(), count));
  for (Case& c : cases) {
    c.token_type_ids.clear();
    // RoBERTa would take it for padding.
    std::replace(c.input_ids.begin(), c.input_ids.end(), static_cast<int32_t>(kRobertaPadding), 2);
  }
  return cases;
}

void expect_one_embedding(const std::filesystem::path& folder, std::vector<Case> cases) {
  const Source source(folder);
  const std::vector<Result> expected = embed(*Checkpoint::open(folder), cases);
  // These compute the same sums of the same rows.
  for (const auto& checkpoint :
       {source.as_electra(), source.as_roberta("roberta"), source.as_roberta("xlm-roberta")}) {
    const std::vector<Result> results = embed(*checkpoint, cases);
    for (size_t i = 0; i < cases.size(); ++i) {
      EXPECT_TRUE(same_bits(results[i], expected[i]))
          << checkpoint->config().model_type << ", case " << i;
    }
  }
  // Word + (position + segment) rounds differently from (word + segment) + position.
  const std::vector<Result> results = embed(*source.as_distilbert(), cases);
  for (size_t i = 0; i < cases.size(); ++i) {
    const Recorded recorded{expected[i].at("sentence_embedding"), 0, 0};
    EXPECT_LE(max_difference(results[i].at("sentence_embedding"), recorded.values),
              tolerance(source.config(), cases[i], recorded))
        << "distilbert, case " << i;
  }
}

TEST(FiveSpellings, OfATinyBert) {
  const std::filesystem::path folder = TAMIS_TESTDATA "/models/bert-base";
  expect_one_embedding(folder, first_segment_cases(folder, 100));
}

TEST(FiveSpellings, OfTheRealMiniLm) {
  TAMIS_REQUIRE_MODEL();
  expect_one_embedding(test::model_folder(), first_segment_cases(TAMIS_TESTDATA "/minilm", 10));
}

}  // namespace
}  // namespace tamis::golden
