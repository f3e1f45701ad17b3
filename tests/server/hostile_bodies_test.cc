// The worst that 64 KB of a request can ask for, on every route and with every number of its form
// at its bounds: memory stays within bounds, the thread that answers health does little, and others
// are served meanwhile.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "serve/protocol/fields.h"
#include "serve/server.h"
#include "serve/test_client.h"

#ifdef TAMIS_SANITIZED
// 256 MiB by itself, which would hide a request as great as the limit.
extern "C" const char* __asan_default_options() { return "quarantine_size_mb=16"; }
#endif

namespace tamis::serve {
namespace {

constexpr size_t kBodyBytes = 64 << 10;
#ifdef TAMIS_SANITIZED
// AddressSanitizer keeps what was freed (__asan_default_options below).
constexpr int64_t kMostMemory = int64_t{200 + 16} << 20;
#else
constexpr int64_t kMostMemory = int64_t{200} << 20;
#endif
// What is read or printed at once where sockets are served: as core hands more to workers.
constexpr int64_t kMostWork = 8192 * kPrintedFloatBytes;

/// A body with places: @ a text of short words, & a text of masks, ^ a template of labels, % a list
/// of short texts, ~ a list of ids, each as long as the body lets it, and # a number of the form.
struct Row {
  const char* path;
  const char* form;
  const char* body;
};

constexpr Row kRows[] = {
    {"/embed", "EmbedRequest", R"({"model":"emb","inputs":%#})"},
    {"/embed", "EmbedRequest", R"({"model":"emb","inputs":"@"#})"},
    {"/embed", "EmbedRequest", R"({"model":"emb","inputs":~#})"},
    {"/embed_all", "EmbedAllRequest", R"({"model":"emb","inputs":%#})"},
    {"/predict", "PredictRequest", R"({"model":"cls","inputs":[["@","@"]]#})"},
    {"/rerank", "TeiRerankRequest", R"({"query":"@","texts":%})"},
    {"/v1/rerank", "RerankRequest", R"({"query":"@","documents":%})"},
    {"/v1/rerank", "RerankRequest", R"({"query":"a","documents":["@"]#})"},
    {"/v1/rerank", "RerankRequest", R"({"query":"a","return_documents":true,"documents":%#})"},
    {"/v2/rerank", "RerankRequest",
     R"({"model":"rank","query":"a","documents":[{"a b c d":"@"}],"rank_fields":%})"},
    {"/similarity", "SimilarityParameters",
     R"({"model":"emb","inputs":{"source_sentence":"@","sentences":%}})"},
    {"/tokenize", "TokenizeRequest", R"({"model":"emb","inputs":"@"#})"},
    {"/tokenize", "VllmTokenizeRequest",
     R"({"model":"emb","return_token_strs":true,"prompt":"@"#})"},
    {"/decode", "DecodeRequest", R"({"model":"emb","ids":~#})"},
    {"/v1/embeddings", "EmbeddingsRequest", R"({"model":"emb","input":%#})"},
    {"/v1/embeddings", "EmbeddingsRequest", R"({"model":"emb","output_dtype":"int8","input":%#})"},
    {"/models/emb", "EmbedParameters", R"({"inputs":%,"parameters":{"x":0#}})"},
    {"/models/cls", "ClassifyParameters", R"({"inputs":%,"parameters":{"x":0#}})"},
    {"/models/ner", "NerParameters", R"({"inputs":"@","parameters":{"x":0#}})"},
    {"/models/ner", "NerParameters",
     R"({"inputs":"@","parameters":{"aggregation_strategy":"max","stride":61#}})"},
    {"/models/ner", "NerParameters", R"({"inputs":%,"parameters":{"ignore_labels":%}})"},
    {"/models/qa", "QaParameters",
     R"({"inputs":{"question":"a","context":"@"},"parameters":{"x":0#}})"},
    {"/models/qa", "QaParameters",
     R"({"inputs":{"question":"@","context":"@"},"parameters":{"doc_stride":1#}})"},
    {"/models/qa", "QaParameters",
     R"({"inputs":{"question":"a","context":"@"},"parameters":{"max_answer_len":1073741824#}})"},
    {"/models/mlm", "FillMaskParameters", R"({"inputs":"&","parameters":{"x":0#}})"},
    {"/models/mlm", "FillMaskParameters", R"({"inputs":"& @","parameters":{"targets":%}})"},
    {"/models/nli", "ZeroShotParameters", R"({"inputs":"@","parameters":{"candidate_labels":%}})"},
    {"/models/nli", "ZeroShotParameters", R"({"inputs":%,"parameters":{"candidate_labels":%}})"},
    {"/models/nli", "ZeroShotParameters",
     R"({"inputs":"a","parameters":{"candidate_labels":["@"],"hypothesis_template":"^"}})"},
    {"/models/nli", "ZeroShotParameters",
     R"({"inputs":%,"parameters":{"candidate_labels":%,"hypothesis_template":"^"}})"},
    {"/v1/classify", "ClassifyRequest", R"({"model":"cls","input":%#})"},
    {"/v1/ner", "NerRequest", R"({"model":"ner","input":"@"#})"},
    {"/v1/qa", "QaRequest", R"({"model":"qa","question":"a","context":"@"#})"},
    {"/v2/embed", "CohereEmbedRequest",
     R"({"model":"emb","embedding_types":["float","int8","binary","base64"],"texts":%#})"},
    {"/v1/tokenize", "CohereTokenizeRequest", R"({"model":"emb","text":"@"#})"},
    {"/detokenize", "DetokenizeRequest", R"({"model":"emb","tokens":~#})"},
    {"/score", "ScoreRequest", R"({"model":"rank","text_1":"@","text_2":%})"},
    {"/score", "ScoreRequest", R"({"model":"emb","text_1":%,"text_2":%})"},
    {"/classify", "VllmClassifyRequest", R"({"model":"cls","input":%#})"},
    {"/pooling", "PoolingRequest", R"({"model":"emb","task":"token_embed","input":%#})"},
    {"/infinity/classify", "InfinityClassifyRequest", R"({"model":"cls","input":%#})"},
    {"/api/embed", "OllamaEmbedRequest", R"({"model":"emb","input":%#})"},
    {"/v1/models/ner:predict", "NerParameters", R"({"instances":["@"],"parameters":{"x":0#}})"},
    {"/v2/models/emb/infer", "InferParameters",
     R"({"parameters":{"priority":1#},"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["@"]}]})"},
    {"/v2/models/cls/infer", "InferOutputParameters",
     R"({"outputs":[{"name":"logits","parameters":{"binary_data":false#}}],"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["@"]}]})"},
};

std::string repeat(std::string_view text, size_t bytes) {
  std::string all;
  while (all.size() + text.size() <= bytes) all += text;
  return all;
}

// The lists' items are at most --max-items.
std::string list_of(std::string_view item, size_t bytes) {
  constexpr size_t kMostItems = 4096;
  std::string list = "[";
  for (size_t i = 0; i < kMostItems && list.size() + item.size() + 2 < bytes; ++i) {
    list += cat(i == 0 ? "" : ",", item);
  }
  return list + "]";
}

// The body of that row with its places filled.
std::string fill(const Row& row, const std::string& number) {
  const std::string_view form = row.body;
  const auto places = std::count_if(form.begin(), form.end(), [](char c) {
    return std::string_view("@&^%~").find(c) != std::string_view::npos;
  });
  const size_t bytes = (kBodyBytes - form.size() - number.size()) / static_cast<size_t>(places);
  std::string body;
  for (const char c : form) {
    if (c == '@') {
      body += repeat("a ", bytes);
    } else if (c == '&') {
      body += repeat("[MASK] ", bytes);
    } else if (c == '^') {
      body += repeat("{0}", bytes);
    } else if (c == '%') {
      body += list_of(R"("a b c d")", bytes);
    } else if (c == '~') {
      body += list_of("7", bytes);
    } else if (c == '#') {
      body += number;
    } else {
      body.push_back(c);
    }
  }
  return body;
}

// "" and, where the row has a place for it, each number of its form at its bounds, as a member.
std::vector<std::string> numbers_of(const Row& row) {
  std::vector<std::string> members = {""};
  if (std::string_view(row.body).find('#') == std::string_view::npos) return members;
  for (const auto& group : form_of(row.form).groups) {
    for (const Field& field : group) {
      const bool there =
          std::string_view(row.body).find(cat('"', field.name, '"')) != std::string_view::npos;
      if (field.kind != FieldKind::kInt || there) continue;
      // A window of 64 tokens shares 61 at most.
      const bool stride = field.name.ends_with("stride");
      std::vector<int64_t> values = {field.least, field.most};
      if (stride) values.insert(values.end(), {1, 61});
      for (const int64_t value : values) {
        members.push_back(cat(",\"", field.name, "\":", value));
      }
    }
  }
  return members;
}

int64_t status_bytes(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::stoll(line.substr(key.size())) << 10;
  }
  return 0;
}

// From here on the peak counts anew.
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

// A query of 32 KB is read again with each of 3,000 texts: seconds, for the one that asked.
void be_patient(const TestClient& client) {
  const timeval patience = {200, 0};
  ::setsockopt(client.socket(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

TestAnswer post(uint16_t port, const char* path, const std::string& body) {
  TestClient client(port);
  be_patient(client);
  return client.request("POST", path, body);
}

/// Another client, which asks for a vector again and again.
class Bystander {
 public:
  explicit Bystander(uint16_t port) : thread_([this, port] { work(port); }) {}
  ~Bystander() {
    stop_.store(true);
    thread_.join();
  }
  [[nodiscard]] int64_t served() const { return served_.load(); }
  [[nodiscard]] int64_t refused() const { return refused_.load(); }

 private:
  void work(uint16_t port) {
    TestClient client(port);
    be_patient(client);
    while (!stop_.load()) {
      const TestAnswer answer = client.request("POST", "/embed", R"({"model":"emb","inputs":"a"})");
      (answer.status == 200 ? served_ : refused_).fetch_add(1);
      if (answer.status == 0) return;
      std::this_thread::yield();
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<int64_t> served_{0};
  std::atomic<int64_t> refused_{0};
  std::thread thread_;
};

// A classifier whose labels are those of inference; goes with the process's folder for tests.
std::string nli_model() {
  namespace fs = std::filesystem;
  const fs::path to = fs::path(testing::TempDir()) / cat("tamis_nli_", getpid());
  fs::copy(fs::path(TAMIS_TESTDATA) / "models" / "bert-sequence-classification", to,
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  std::string config = read_file((to / "config.json").string());
  for (size_t at = 0; (at = config.find("positive", at)) != config.npos;) {
    config.replace(at, 8, "entailment");
  }
  fs::permissions(to / "config.json", fs::perms::owner_write, fs::perm_options::add);
  write_file((to / "config.json").string(), config);
  return to.string();
}

std::unique_ptr<Server> start(const std::string& nli) {
  ServerOptions options;
  options.port = 0;
  options.grpc_port = -1;
  // Nothing is refused for what this machine does beside.
  options.max_queue_latency_ms = 600'000;
  const std::filesystem::path models = std::filesystem::path(TAMIS_TESTDATA) / "models";
  for (const auto& [name, folder] : {std::pair{"emb", "bert-base"},
                                     {"cls", "bert-sequence-classification"},
                                     {"mlm", "bert-masked-lm"},
                                     {"ner", "bert-token-classification"},
                                     {"qa", "bert-question-answering"},
                                     {"rank", "bert-rerank"}}) {
    options.models.push_back({name, (models / folder).string()});
  }
  options.models.push_back({"nli", nli});
  auto server = std::make_unique<Server>(options);
  server->load();
  return server;
}

TEST(HostileBodies, NoNumberMakesARequestGreat) {
  const std::string nli = nli_model();
  const auto server = start(nli);
  std::filesystem::remove_all(nli);
  // The second plan for token embeddings is made once, and is no request's.
  (void)TestClient(server->http_port())
      .request("POST", "/embed_all", R"({"model":"emb","inputs":"a"})");
  const Bystander bystander(server->http_port());
  const int64_t base = status_bytes("VmRSS:");
  for (const Row& row : kRows) {
    for (const std::string& number : numbers_of(row)) {
      SCOPED_TRACE(cat(row.path, " ", std::string_view(row.body), " with ", number));
      const std::string body = fill(row, number);
      ASSERT_LE(body.size(), kBodyBytes);
      const int64_t served = bystander.served();
      reset_peak();
      const TestAnswer answer = post(server->http_port(), row.path, body);
      const int64_t peak = status_bytes("VmHWM:") - base;
      EXPECT_LT(peak, kMostMemory) << answer.status;
      EXPECT_TRUE(answer.status == 200 || answer.status == 400 || answer.status == 422 ||
                  answer.status == 504)
          << answer.status << answer.body.substr(0, 300);
      while (bystander.served() == served && bystander.refused() == 0) std::this_thread::yield();
      EXPECT_EQ(bystander.refused(), 0);
    }
    if (HasFailure()) break;
  }
  EXPECT_LE(server->core().largest_protocol_work(), kMostWork);
}

}  // namespace
}  // namespace tamis::serve
