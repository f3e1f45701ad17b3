// What a request says is done or refused by name, alike in every dialect that can say it.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "serve/dialects/kserve/kserve_model.h"
#include "serve/server.h"
#include "serve/test_client.h"

namespace tamis::serve {
namespace {

namespace fs = std::filesystem;

// Longer than the tiny models' 64 and 128 tokens.
const std::string& long_text() {
  static const std::string text = [] {
    std::string words;
    for (int i = 0; i < 300; ++i) words += "a ";
    return words;
  }();
  return text;
}

// [CLS], `count` ids of words, [SEP].
std::string long_ids(int count) {
  std::string list = "[2";
  for (int i = 0; i < count; ++i) list += ",7";
  return list + ",3]";
}

struct Row {
  std::string path;
  std::string body;
  int status = 200;
  std::string says = "";  ///< what the answer holds
};

class RequestRules : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = start(true);
    strict_ = start(false);
  }
  static void TearDownTestSuite() {
    server_.reset();
    strict_.reset();
  }

  static std::unique_ptr<Server> start(bool auto_truncate) {
    ServerOptions options;
    options.port = 0;
    options.grpc_port = -1;
    options.auto_truncate = auto_truncate;
    options.max_items = 3;
    const fs::path models = fs::path(TAMIS_TESTDATA) / "models";
    for (const auto& [name, folder] : {std::pair{"org/emb", "bert-base"},
                                       {"cls", "bert-sequence-classification"},
                                       {"ner", "bert-token-classification"},
                                       {"rank", "bert-rerank"},
                                       {"roberta", "roberta-base"},
                                       {"mpnet", "mpnet-base"}}) {
      options.models.push_back({name, (models / folder).string()});
    }
    options.models.push_back({"gliner", TAMIS_TESTDATA "/gliner/bert"});
    options.models.push_back({"prompts", TAMIS_TESTDATA "/sentence-transformers/prompts"});
    auto server = std::make_unique<Server>(options);
    server->load();
    return server;
  }

  static TestAnswer post(std::string_view path, std::string_view body, bool strict = false) {
    return TestClient((strict ? strict_ : server_)->http_port()).request("POST", path, body);
  }
  static std::string get(std::string_view path) {
    return TestClient(server_->http_port()).request("GET", path).body;
  }

  static void check(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      SCOPED_TRACE(cat(row.path, " ", row.body.substr(0, 200)));
      const TestAnswer answer = post(row.path, row.body);
      EXPECT_EQ(answer.status, row.status) << answer.body;
      EXPECT_NE(answer.body.find(row.says), std::string::npos) << answer.body;
    }
  }

  static std::unique_ptr<Server> server_;
  static std::unique_ptr<Server> strict_;
};

std::unique_ptr<Server> RequestRules::server_;
std::unique_ptr<Server> RequestRules::strict_;

std::string infer(std::string_view text, std::string_view parameters = "{}",
                  std::string_view outputs = "") {
  return cat(R"({"parameters":)", parameters, outputs,
             R"(,"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":[")", text,
             R"("]}]})");
}

// A pipeline of the path is one that the model can do.
TEST_F(RequestRules, PipelinesOfAPath) {
  check({
      {"/models/org/emb/pipeline/text-classification", R"({"inputs":"a"})", 400, "is for embed"},
      {"/pipeline/token-classification/org/emb", R"({"inputs":"a"})", 400, "token-classification"},
      {"/models/cls/pipeline/feature-extraction", R"({"inputs":"a"})", 400, "is for classify"},
      {"/models/cls/pipeline/nonsense", R"({"inputs":"a"})", 404, "no pipeline"},
      {"/models/cls/pipeline/zero-shot-classification", R"({"inputs":"a"})", 400,
       "`candidate_labels` is missing"},
      {"/models/cls/pipeline/text-classification", R"({"inputs":"a"})"},
      {"/models/org/emb/pipeline/feature-extraction", R"({"inputs":"a"})"},
      {"/models/org/emb/pipeline/sentence-similarity",
       R"({"inputs":{"source_sentence":"a","sentences":["a"]}})", 200, "[1"},
      {"/models/org/emb/pipeline/sentence-similarity", R"({"inputs":"a"})", 400,
       "`source_sentence` is missing"},
  });
}

// What a dialect's clients know is done, or refused by name.
TEST_F(RequestRules, FieldsThatAreNotBuilt) {
  const std::string emb = R"({"model":"org/emb","input":"a",)";
  check({
      {"/v1/embeddings", emb + R"("output_dtype":"int4"})", 400,
       "`output_dtype` must be float, int8, uint8, binary or ubinary"},
      {"/v1/embeddings", emb + R"("output_dtype":"int8","encoding_format":"base64"})"},
      {"/v1/embeddings", emb + R"("output_dtype":"float"})"},
      {"/v1/embeddings", emb + R"("late_chunking":true})", 400, "`late_chunking` must be false"},
      {"/v1/embeddings", emb + R"("embedding_type":"sparse"})", 400, "`embedding_type`"},
      {"/v1/embeddings", emb + R"("embed_dtype":"float16"})", 400, "`embed_dtype` must be float32"},
      {"/v1/embeddings", emb + R"("embedding_type":"base64","output_dimension":4})", 200, "==\""},
      {"/v1/embeddings", emb + R"("task":"nothing"})", 400, R"(unknown prompt \"nothing\")"},
      {"/v1/embeddings", emb + R"("input_type":"query"})"},
      {"/v1/embeddings", emb + R"("truncate":"maybe"})", 400, "none, start or end"},
  });
}

// Token ids are held to what texts are: the task, the length.
TEST_F(RequestRules, TokenIds) {
  check({
      {"/v1/embeddings", R"({"model":"cls","input":[2,3]})", 400, "cannot embed"},
      {"/embed", R"({"model":"cls","inputs":[[2,3]]})", 424, "cannot embed"},
      {"/embed", R"({"model":"org/emb","inputs":[2,3],"prompt_name":"x"})", 422, "prompt"},
      {"/v1/embeddings", cat(R"({"model":"org/emb","input":)", long_ids(300), "}"), 200,
       "\"total_tokens\":64"},
      {"/embed", cat(R"({"model":"org/emb","inputs":)", long_ids(62), R"(,"truncate":false})")},
      {"/embed", cat(R"({"model":"org/emb","inputs":)", long_ids(63), R"(,"truncate":false})"), 422,
       "65 token ids is longer than 64"},
  });
}

// KServe cuts as it is told to, and gives each output once.
TEST_F(RequestRules, KserveParameters) {
  check({
      {"/v2/models/org/emb/infer", infer("a"), 200, "\"embedding\""},
      {"/v2/models/org/emb/infer", infer(long_text()), 200},
      {"/v2/models/org/emb/infer", infer(long_text(), R"({"truncate":false})"), 400,
       "truncation is off"},
      {"/v2/models/org/emb/infer", infer("a", R"({"truncate":1})"), 400,
       "`truncate` must be true or false"},
      {"/v2/models/org/emb/infer",
       infer("a", "{}", R"(,"outputs":[{"name":"embedding"},{"name":"embedding"}])"), 400,
       "came twice"},
      {"/v2/models/org/emb/infer",
       infer("a", "{}",
             R"(,"outputs":[{"name":"embedding","parameters":{"shared_memory_region":"x"}}])"),
       400, "`shared_memory_region`"},
  });
}

TEST_F(RequestRules, EveryListIsCounted) {
  check({
      {"/v2/models/org/emb/infer",
       R"({"inputs":[{"name":"text","shape":[4],"datatype":"BYTES","data":["a","b","c","d"]}]})",
       400, "4 items"},
      {"/v2/models/org/emb_model/infer",
       R"({"inputs":[{"name":"input_ids","shape":[4,1],"datatype":"INT32","data":[2,2,2,2]}]})",
       400, "4 items"},
      {"/similarity",
       R"({"model":"org/emb","inputs":{"source_sentence":"a","sentences":["a","b","c","d"]}})", 422,
       "4 items"},
      {"/tokenize", R"({"model":"cls","inputs":["a","b","c","d"]})", 422, "4 items"},
      {"/decode", R"({"model":"cls","ids":[[2],[2],[2],[2]]})", 422, "4 items"},
      {"/models/cls", R"({"inputs":"a","parameters":{"candidate_labels":["a","b","c","d"]}})", 400,
       "4 items"},
  });
}

// Which of several, and how long it is, in every dialect.
TEST_F(RequestRules, WhatIsTooLongIsNamedByNumberAndLength) {
  const std::string two = cat(R"(["a",")", long_text(), R"("])");
  const std::string emb = R"({"model":"org/emb",)";
  const std::string cls = R"({"model":"cls",)";
  const std::string rank = R"({"model":"rank",)";
  const Row rows[] = {
      {"/v1/embeddings", cat(emb, R"("input":)", two, "}"), 400, R"("param":"input")"},
      {"/embed", cat(emb, R"("inputs":)", two, "}"), 422},
      {"/predict", cat(cls, R"("inputs":[["a"],[")", long_text(), R"("]]})"), 422},
      {"/similarity",
       cat(emb, R"("inputs":{"source_sentence":"a","sentences":[")", long_text(), R"("]}})"), 422},
      {"/models/cls", cat(R"({"inputs":)", two, "}"), 400},
      {"/v1/classify", cat(cls, R"("input":)", two, "}"), 400},
      {"/v1/ner", cat(R"({"model":"ner","input":)", two, "}"), 400},
      {"/v1/embed", cat(emb, R"("truncate":"NONE","texts":)", two, "}"), 400},
      {"/v2/embed", cat(emb, R"("truncate":"NONE","texts":)", two, "}"), 400},
      {"/classify", cat(cls, R"("input":)", two, "}"), 400},
      {"/pooling", cat(emb, R"("input":)", two, "}"), 400},
      {"/score", cat(emb, R"("text_1":"a","text_2":")", long_text(), R"("})"), 400},
      {"/infinity/classify", cat(cls, R"("input":)", two, "}"), 400},
      {"/api/embed", cat(emb, R"("input":)", two, "}"), 400},
      {"/v1/models/cls:predict", cat(R"({"instances":)", two, "}"), 400},
      {"/v2/models/org/emb/infer",
       cat(R"({"inputs":[{"name":"text","shape":[2],"datatype":"BYTES","data":)", two, "}]}"), 400},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.path);
    const TestAnswer answer = post(row.path, row.body, true);
    EXPECT_EQ(answer.status, row.status) << answer.body;
    EXPECT_NE(answer.body.find("input 1, counted from 0: the text has 302 tokens"),
              std::string::npos)
        << answer.body;
    EXPECT_NE(answer.body.find(row.says), std::string::npos) << answer.body;
  }
  const std::string pairs = cat(R"("query":"a",)", R"("documents":)", two);
  for (const char* const path : {"/v1/rerank", "/v2/rerank", "/rerank", "/infinity/rerank"}) {
    const TestAnswer answer = post(path, cat(rank, pairs, "}"), true);
    EXPECT_NE(answer.body.find("text 1, counted from 0"), std::string::npos) << answer.body;
  }
  const TestAnswer ids = post("/embed", cat(emb, R"("inputs":[[2,3],)", long_ids(63), "]}"), true);
  EXPECT_NE(ids.body.find("input 1, counted from 0: the sequence of 65"), std::string::npos)
      << ids.body;
  // What is said of one text of several in OpenAI's form names the field all the same.
  const TestAnswer prompt =
      post("/v1/embeddings", cat(emb, R"("input":["a","b"],"dimensions":400})"));
  EXPECT_NE(prompt.body.find(R"("param":"dimensions")"), std::string::npos) << prompt.body;
}

TEST_F(RequestRules, NoAutoTruncateCountsInEveryDialect) {
  const std::string text = long_text();
  const Row rows[] = {
      {"/v1/embeddings", cat(R"({"model":"org/emb","input":")", text, "\"}"), 400},
      {"/v1/embeddings", cat(R"({"model":"org/emb","input":)", long_ids(300), "}"), 400},
      {"/embed", cat(R"({"model":"org/emb","inputs":")", text, "\"}"), 422},
      {"/models/cls", cat(R"({"inputs":")", text, "\"}"), 400},
      {"/v2/models/org/emb/infer", infer(text), 400},
      {"/v2/models/cls/infer", infer(text), 400},
      {"/v2/models/ner/infer", infer(text), 400},
      {"/v2/models/ner/infer", infer(text, R"({"truncate":true})"), 200},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.path);
    EXPECT_EQ(post(row.path, row.body, true).status, row.status);
  }
}

// The special tokens at both ends stay, whichever side is cut.
TEST_F(RequestRules, CutIdsKeepTheirEnds) {
  const std::string cut = post("/embed", cat(R"({"model":"org/emb","inputs":)", long_ids(300),
                                             R"(,"truncation_direction":"left"})"))
                              .body;
  const std::string same =
      post("/embed", cat(R"({"model":"org/emb","inputs":)", long_ids(62), "}")).body;
  EXPECT_EQ(cut, same);
}

// Options of embeddings under `parameters`, beside them, and both.
TEST_F(RequestRules, PipelineOptionsInTwoPlaces) {
  const auto answer = [](std::string_view members) {
    return post("/models/org/emb", cat(R"({"inputs":"some text",)", members, "}"));
  };
  const std::string both = answer(R"("parameters":{"normalize":true,"dimensions":4})").body;
  EXPECT_EQ(answer(R"("normalize":true,"dimensions":4)").body, both);
  EXPECT_EQ(answer(R"("normalize":true,"parameters":{"dimensions":4})").body, both);
  EXPECT_EQ(answer(R"("dimensions":4,"parameters":{"normalize":true,"truncate":true})").body, both);
  const TestAnswer twice = answer(R"("normalize":true,"parameters":{"normalize":true})");
  EXPECT_EQ(twice.status, 400);
  EXPECT_NE(twice.body.find("`normalize` stands"), std::string::npos) << twice.body;
  EXPECT_EQ(answer(R"("normalize":true,"parameters":null)").status, 200);
}

// Code points, of a query with each text, and ids.
TEST_F(RequestRules, CharactersAreCountedAsTextEmbeddingsInferenceDoes) {
  for (const auto& [path, body, count] :
       {std::tuple{"/embed", R"({"model":"org/emb","inputs":["東京","a"]})", "3"},
        {"/embed", R"({"model":"org/emb","inputs":[[2,7,3]]})", "3"},
        {"/rerank", R"({"model":"rank","query":"éé","texts":["é","ab"]})", "7"},
        {"/predict", R"({"model":"cls","inputs":[["éé","é"]]})", "3"}}) {
    const TestAnswer answer = post(path, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.header("x-compute-characters"), count) << body;
  }
  check({{"/tokenize", R"({"model":"cls","inputs":[]})", 400, "cannot be empty"}});
}

// Before texts run, which would count as an inference.
TEST_F(RequestRules, DimensionsAreCheckedFirst) {
  const auto count = [] {
    const std::string body = get("/v2/models/org/emb/stats");
    return JsonDocument::parse(body, "stats")
        .root()
        .get("model_stats")
        .at(0)
        .get("execution_count")
        .as_int("count");
  };
  const int64_t before = count();
  check({{"/embed", R"({"model":"org/emb","inputs":["a","b"],"dimensions":33})", 422,
          "dimensions must be at most the model's 32, not 33"},
         {"/embed", R"({"model":"org/emb","inputs":[[2,7,3]],"dimensions":33})", 422, "not 33"}});
  EXPECT_EQ(count(), before);
}

// Voyage's and Cohere's words for a prompt, whatever the model calls it.
TEST_F(RequestRules, InputTypesAreThePromptsOfTheModel) {
  const auto embedding = [](std::string_view path, std::string_view members) {
    const TestAnswer answer = post(path, cat(R"({"model":"prompts",)", members, "}"));
    EXPECT_EQ(answer.status, 200) << answer.body;
    const size_t begin = answer.body.find("[-0.");
    const size_t other = answer.body.find("[0.");
    return answer.body.substr(std::min(begin, other), 60);
  };
  const auto openai = [&](std::string_view type) {
    return embedding("/v1/embeddings", cat(R"("input":"a text","input_type":)", type));
  };
  const auto prompt = [&](std::string_view name) {
    return embedding("/embed", cat(R"("inputs":"a text","prompt_name":")", name, "\""));
  };
  EXPECT_NE(prompt("query"), prompt("passage"));
  EXPECT_EQ(openai("\"query\""), prompt("query"));
  EXPECT_EQ(openai("\"search_query\""), prompt("query"));
  EXPECT_EQ(openai("\"document\""), prompt("passage"));
  EXPECT_EQ(openai("\"Passage\""), prompt("passage"));
  EXPECT_EQ(openai("\"classification\""), openai("null"));
  EXPECT_EQ(embedding("/v2/embed", R"("texts":["a text"],"input_type":"search_document")"),
            prompt("passage"));
}

// A model that reads what to look for says so, and takes it.
TEST_F(RequestRules, LabelsOfAModelThatReadsThem) {
  EXPECT_NE(get("/v2/models/gliner").find(R"("name":"labels")"), std::string::npos);
  EXPECT_EQ(get("/v2/models/ner").find(R"("name":"labels")"), std::string::npos);
  EXPECT_NE(get("/v1/models/gliner").find(R"("reads_labels":true)"), std::string::npos);
  EXPECT_EQ(get("/v1/models/ner").find("reads_labels"), std::string::npos);
  EXPECT_NE(get("/v1/models/ner").find(R"("name":"ner","ready":true)"), std::string::npos);
  const std::string_view text =
      R"({"name":"text","shape":[1],"datatype":"BYTES","data":["Ada lives in Rome"]})";
  const std::string_view labels =
      R"({"name":"labels","shape":[2],"datatype":"BYTES","data":["person","city"]})";
  const std::string path = "/v2/models/gliner/infer";
  check({{path, cat(R"({"inputs":[)", text, "]}"), 400, "at least one is needed"},
         {path, cat(R"({"inputs":[)", text, ",", labels, "]}"), 200, "entities"},
         {"/v2/models/ner/infer", cat(R"({"inputs":[)", text, ",", labels, "]}"), 400,
          "unexpected input"}});
}

std::string masked_ids(std::string_view ids, std::string_view mask, int tokens) {
  const auto input = [tokens](std::string_view name, std::string_view data) {
    return cat(R"({"name":")", name, R"(","datatype":"INT64","shape":[1,)", tokens, R"(],"data":[)",
               data, "]}");
  };
  return cat(R"({"inputs":[)", input("input_ids", ids), ",", input("attention_mask", mask), "]}");
}

// Tokens that are masked out between others leave these where they stood.
TEST_F(RequestRules, HolesInAMask) {
  const std::string mpnet = "/v2/models/mpnet_model/infer";
  check({{mpnet, masked_ids("7,8,9,10", "0,1,1,0", 4)},
         {mpnet, masked_ids("7,8,9,10", "1,0,1,1", 4), 400, "counts how far apart tokens stand"}});
  const auto roberta = [](std::string_view ids, std::string_view mask, int tokens) {
    const TestAnswer answer = post("/v2/models/roberta_model/infer", masked_ids(ids, mask, tokens));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.body;
  };
  // Positions of RoBERTa count ids that are not the padding's, 1, masked or not.
  const std::string packed = roberta("0,7,9,2", "1,1,1,1", 4);
  EXPECT_EQ(roberta("0,7,1,9,2", "1,1,0,1,1", 5), packed);
  EXPECT_NE(roberta("0,7,8,9,2", "1,1,0,1,1", 5), packed);
  EXPECT_EQ(roberta("1,1,0,7,9,2", "0,0,1,1,1,1", 6), packed);
  EXPECT_NE(roberta("5,5,0,7,9,2", "0,0,1,1,1,1", 6), packed);
}

TEST_F(RequestRules, AModelsOwnIdWorksInKserveToo) {
  ModelRepository& models = server_->core().models();
  const std::string source = (fs::path(TAMIS_TESTDATA) / "models" / "bert-base").string();
  EXPECT_EQ(kserve_target(models, source, "").model->name(), "org/emb");
  EXPECT_EQ(kserve_target(models, source, "1").model->name(), "org/emb");
  const KserveTarget tensors = kserve_target(models, source + "_model", "");
  EXPECT_EQ(tensors.model->name(), "org/emb");
  EXPECT_TRUE(tensors.tensors);
  EXPECT_THROW((void)kserve_target(models, source, "2"), Error);
}

TEST_F(RequestRules, MetadataListsTheInputsThereAre) {
  const auto inputs = [&](std::string_view path, std::string_view key) {
    const std::string body = get(path);
    const JsonDocument document = JsonDocument::parse(body, "metadata");
    const JsonView list = document.root().get(key);
    std::string names;
    for (size_t i = 0; i < list.size(); ++i) {
      names += cat(i == 0 ? "" : " ", list.at(i).get("name").as_string("name"),
                   list.at(i).get("optional").exists() ? "?" : "");
    }
    return names;
  };
  EXPECT_EQ(inputs("/v2/models/org/emb", "inputs"), "text");
  EXPECT_EQ(inputs("/v2/models/ner", "inputs"), "text");
  EXPECT_EQ(inputs("/v2/models/cls/config", "input"), "text text_pair?");
  EXPECT_EQ(inputs("/v2/models/cls_model/config", "input"),
            "input_ids attention_mask? token_type_ids?");
  EXPECT_EQ(inputs("/v2/models/roberta_model/config", "input"), "input_ids attention_mask?");
  EXPECT_NE(get("/v2/models/cls/config").find("dynamic_batching"), std::string::npos);
}

}  // namespace
}  // namespace tamis::serve
