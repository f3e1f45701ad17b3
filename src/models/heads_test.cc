// Heads and prefixes that classes of a family choose.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "models/models.h"
#include "models/test_util.h"

namespace tamis::models {
namespace {

std::string refusal(const Checkpoint& checkpoint, const BuildOptions& options = {}) {
  try {
    (void)build_model(checkpoint, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
    return error.what();
  }
  return "";
}

TEST(Heads, ChoicesAndNextSentencesAreClassifiersOnThePooler) {
  const auto head = [](const char* architecture, const char* module, int64_t rows) {
    EditableCheckpoint edited("bert-rerank");
    const std::string name = cat(module, ".weight");
    edited.config.architectures = {architecture};
    edited.set(name, Tensor(DType::kF32, Shape{rows, edited.config.hidden_size}));
    edited.set(cat(module, ".bias"), Tensor(DType::kF32, Shape{rows}));
    const BuiltModel model = build_model(edited.make());
    EXPECT_EQ(model.head, HeadKind::kSequenceClassification);
    EXPECT_EQ(static_cast<int64_t>(model.labels.size()), rows);
    EXPECT_NE(model.graph.find_value(name), graph::kNoValue);
    return model.graph.value(model.graph.outputs()[0].value).shape.to_string();
  };
  EXPECT_EQ(head("BertForMultipleChoice", "classifier", 1), "[B, 1]");
  EXPECT_EQ(head("BertForNextSentencePrediction", "cls.seq_relationship", 2), "[B, 2]");

  EditableCheckpoint distilbert("distilbert-sequence-classification");
  distilbert.config.architectures = {"DistilBertForNextSentencePrediction"};
  EXPECT_EQ(refusal(distilbert.make()),
            "config.json: architectures is DistilBertForNextSentencePrediction, but distilbert has "
            "no pooler for it; accepted are other classes");
}

// The family has no pooler: its own head is the one of choices, with one logit.
TEST(Heads, ModernBertsChoicesHaveOneLogit) {
  EditableCheckpoint edited("modernbert-sequence-classification");
  edited.config.architectures = {"ModernBertForMultipleChoice"};
  edited.set("classifier.weight", Tensor(DType::kF32, Shape{1, edited.config.hidden_size}));
  edited.set("classifier.bias", Tensor(DType::kF32, Shape{1}));
  const BuiltModel model = build_model(edited.make());
  EXPECT_EQ(model.head, HeadKind::kSequenceClassification);
  EXPECT_EQ(model.labels.size(), 1u);
  EXPECT_EQ(model.graph.value(model.graph.outputs()[0].value).shape.to_string(), "[B, 1]");
}

TEST(Heads, RelativePositionsAreTablesOfEveryHead) {
  const auto build = [](const std::string& name) {
    return build_model(*Checkpoint::open(testdata_model(name)));
  };
  for (const std::string name : {"bert-relative-key", "bert-relative-key-query"}) {
    const graph::Graph graph = build(name).graph;
    const graph::ValueId table =
        graph.find_value("bert.encoder.layer.1.attention.self.distance_embedding");
    ASSERT_NE(table, graph::kNoValue) << name;
    const auto values = graph.value(table).constant->as<float>();
    ASSERT_EQ(graph.value(table).shape.to_string(), "[80, 16]") << name;
    EXPECT_EQ(values[16], values[24]) << name;  // of two heads
    const std::string text = print(graph);
    EXPECT_EQ(text.find("PositionIds"), text.npos) << name;
    EXPECT_NE(text.find("max_relative_positions=40"), text.npos) << name;
    EXPECT_EQ(text.find("position_queries=") != text.npos, name.ends_with("query")) << name;
  }
  // No place is counted from the padding.
  EXPECT_EQ(build("roberta-relative-key-query").max_positions, 40);

  const auto with_type = [](std::string_view type) {
    std::string json = read_file(testdata_model("bert-relative-key") / "config.json");
    const std::string_view old = "\"relative_key\"";
    json.replace(json.find(old), old.size(), type);
    return Checkpoint("memory", ModelConfig::parse(json, "config.json"),
                      read_weights(testdata_model("bert-relative-key")));
  };
  EXPECT_EQ(refusal(with_type("\"rotary\"")),
            "config.json: position_embedding_type \"rotary\" is not built; accepted are absolute, "
            "relative_key and relative_key_query");
  EXPECT_EQ(refusal(with_type("\"absolute\"")), "");
}

struct Kin {
  const char* folder;
  std::string_view prefix;
  std::string_view model_type;
  std::string_view other_prefix;
};

// All that stands before the pooling.
std::string encoder_text(const Checkpoint& checkpoint) {
  const std::string text = print(build_model(checkpoint, {HeadKind::kEmbedding, {}}).graph);
  return text.substr(0, text.rfind('\n', text.find("SequencePool(")));
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

EditableCheckpoint as_kin(const Kin& kin) {
  EditableCheckpoint edited(kin.folder);
  std::string json = read_file(testdata_model(kin.folder) / "config.json");
  const std::string member = cat("\"model_type\": \"", edited.config.model_type, "\"");
  json.replace(json.find(member), member.size(), cat("\"model_type\": \"", kin.model_type, "\""));
  edited.config = ModelConfig::parse(json, "config.json");
  edited.rename([&kin](const std::string& name) {
    return name.starts_with(kin.prefix) ? cat(kin.other_prefix, name.substr(kin.prefix.size()))
                                        : cat(kin.other_prefix, ".", name);
  });
  return edited;
}

// transformers' classes give the same bits as the folder's own with its weights, which
// tools/generate/testdata/relative_keys.py checks while it records them.
TEST(Heads, KinReadTheKeysOfOneAnother) {
  for (const Kin& kin :
       {Kin{"roberta-relative-key-query", "roberta", "camembert", "roberta"},
        Kin{"roberta-relative-key-query", "roberta", "xlm-roberta", "roberta"},
        Kin{"roberta-relative-key-query", "roberta", "data2vec-text", "data2vec_text"},
        Kin{"bert-relative-key", "bert", "dpr", "question_encoder.bert_model"},
        Kin{"bert-decoder", "bert", "dpr", "ctx_encoder.bert_model"}}) {
    std::string other = encoder_text(as_kin(kin).make());
    replace_all(other, cat(kin.other_prefix, "."), cat(kin.prefix, "."));
    EXPECT_EQ(other, encoder_text(*Checkpoint::open(testdata_model(kin.folder)))) << kin.model_type;
    const bool decoder = std::string_view(kin.folder).ends_with("-decoder");
    EXPECT_NE(other.find(decoder ? ", right=0" : ", max_relative_positions=40"), other.npos)
        << kin.model_type;
  }
}

// The embeddings count with the masks of a text: their id must be known.
TEST(Heads, EsmsEmbeddingsKnowTheMask) {
  const auto build = [](const std::string& name) {
    return build_model(*Checkpoint::open(testdata_model(name)));
  };
  EXPECT_NE(print(build("esm-masked-lm").graph).find("{mask_token=4, kept=0.88}"),
            std::string::npos);
  std::string json = read_file(testdata_model("esm-base") / "config.json");
  const std::string_view known = "\"mask_token_id\": 120";
  json.replace(json.find(known), known.size(), "\"mask_token_id\": null");
  const Checkpoint checkpoint("memory", ModelConfig::parse(json, "config.json"),
                              read_weights(testdata_model("esm-base")));
  EXPECT_EQ(refusal(checkpoint),
            "config.json: mask_token_id null beside token_dropout is not built; accepted are the "
            "id of <mask>");
}

TEST(Heads, LongformersHeadsDecideWhichTokensAllSee) {
  const auto text = [](const std::string& head, const BuildOptions& options = {}) {
    return print(
        build_model(*Checkpoint::open(testdata_model("longformer-" + head)), options).graph);
  };
  EXPECT_NE(text("sequence-classification").find("left=8, right=8, global=first"),
            std::string::npos);
  EXPECT_NE(text("sequence-classification").find("left=2, right=2, global=first"),
            std::string::npos);
  EXPECT_NE(text("question-answering").find("global=before_separator, separator=2"),
            std::string::npos);
  EXPECT_NE(text("multiple-choice").find("global=behind_separator, separator=2"),
            std::string::npos);
  for (const char* head : {"base", "masked-lm", "token-classification"}) {
    EXPECT_EQ(text(head).find("global"), std::string::npos) << head;
    EXPECT_NE(text(head).find(", left="), std::string::npos) << head;
  }
  // The encoder of a classifier embeds without them.
  EXPECT_EQ(text("sequence-classification", {HeadKind::kEmbedding, {}}).find("global"),
            std::string::npos);
}

TEST(Heads, LongformersWindowsAreChecked) {
  const auto message = [](const std::string& window) {
    std::string json = read_file(testdata_model("longformer-token-classification") / "config.json");
    const size_t begin = json.find("\"attention_window\"");
    json.replace(begin, json.find(']', begin) + 1 - begin, "\"attention_window\": " + window);
    return refusal(Checkpoint("memory", ModelConfig::parse(json, "config.json"),
                              read_weights(testdata_model("longformer-token-classification"))));
  };
  EXPECT_EQ(message("[4, 6]"), "");
  EXPECT_EQ(message("4"), "");
  EXPECT_EQ(message("7"),
            "config.json: attention_window 7 is not built; accepted are even numbers from 2 to "
            "1048576");
  EXPECT_EQ(message("[4, 0]"),
            "config.json: attention_window 0 is not built; accepted are even numbers from 2 to "
            "1048576");
  EXPECT_EQ(message("[4]"),
            "config.json: attention_window of 1 layers is not built; accepted are lists of 2");
}

TEST(Heads, DprIsItsQuestionOrItsPassageEncoder) {
  for (const std::string prefix : {"question_encoder", "ctx_encoder"}) {
    EditableCheckpoint edited("bert-base");
    edited.config.model_type = "dpr";
    edited.config.architectures.clear();
    edited.rename([&](const std::string& name) { return cat(prefix, ".bert_model.", name); });
    const BuiltModel model = build_model(edited.make());
    const graph::Node& embedding = model.graph.nodes().back();
    EXPECT_EQ(embedding.scope, prefix);
    EXPECT_EQ(model.graph.outputs()[1].value, embedding.output);
    EXPECT_EQ(embedding.attribute<graph::PoolAttributes>().modes, std::vector{Pooling::kCls});
    const std::string weight = cat(prefix, ".bert_model.encoder.layer.1.output.dense.weight");
    EXPECT_NE(model.graph.find_value(weight), graph::kNoValue);
    EXPECT_EQ(refusal(edited.make(), {HeadKind::kSequenceClassification, {}}),
              "memory: dpr has no head for sequence classification; accepted is embedding");
  }
}

// The encoder's states would give other answers.
TEST(Heads, T5sQuestionsStandBehindItsDecoder) {
  EditableCheckpoint edited("t5-base");
  edited.config.architectures = {"T5ForQuestionAnswering"};
  edited.set("qa_outputs.weight", Tensor(DType::kF32, Shape{2, edited.config.hidden_size}));
  edited.set("qa_outputs.bias", Tensor(DType::kF32, Shape{2}));
  EXPECT_EQ(refusal(edited.make()),
            "memory: t5 has no head for question answering; accepted is embedding");
}

TEST(Heads, NextWordsOfADecoderFillNoMasks) {
  EditableCheckpoint edited("bert-masked-lm");
  const std::string json = read_file(testdata_model("bert-masked-lm") / "config.json");
  const auto as = [&](const char* architecture, const char* is_decoder) {
    std::string changed = json;
    const std::string member = "\"is_decoder\": false";
    const size_t at = changed.find(member);
    EXPECT_NE(at, changed.npos);
    changed.replace(at, member.size(), cat("\"is_decoder\": ", is_decoder));
    edited.config = ModelConfig::parse(changed, "config.json");
    edited.config.architectures = {architecture};
    return edited.make();
  };
  EXPECT_EQ(refusal(as("BertLMHeadModel", "true")),
            "memory: architectures is BertLMHeadModel, but text is not generated; accepted is "
            "embedding (name it as the task)");
  EXPECT_EQ(build_model(as("BertLMHeadModel", "false")).head, HeadKind::kMaskedLM);
  EXPECT_EQ(build_model(as("BertForMaskedLM", "true")).head, HeadKind::kMaskedLM);
}

// Whatever the family, as sentence-transformers without modules.json does.
TEST(Heads, ClassesForNextWordsEmbedByTheLastToken) {
  const auto pooling_of = [](const char* checkpoint, const char* architecture) {
    EditableCheckpoint edited(checkpoint);
    edited.config.architectures = {architecture};
    BuildOptions options;
    options.head = HeadKind::kEmbedding;
    const BuiltModel model = build_model(edited.make(), options);
    for (const graph::Node& node : model.graph.nodes()) {
      if (node.op != graph::OpKind::kSequencePool) continue;
      return std::get<graph::PoolAttributes>(node.attributes).modes;
    }
    return std::vector<Pooling>{};
  };
  const std::vector<Pooling> last = {Pooling::kLastToken};
  const std::vector<Pooling> mean = {Pooling::kMean};
  EXPECT_EQ(pooling_of("roberta-base", "RobertaForCausalLM"), last);
  EXPECT_EQ(pooling_of("electra-base", "ElectraForCausalLM"), last);
  EXPECT_EQ(pooling_of("roberta-base", "RobertaModel"), mean);
  EXPECT_EQ(pooling_of("bert-base", "BertLMHeadModel"), mean);
  EXPECT_EQ(pooling_of("llama-base", "LlamaForCausalLM"), last);
}

// Of transformers' generic class; elsewhere the key is read by none.
TEST(Heads, LabelsOfTokensMayHaveNoBias) {
  EditableCheckpoint edited("llama-token-classification");
  std::string json = read_file(testdata_model("llama-token-classification") / "config.json");
  json.insert(1, R"("token_classification_bias":false,)");
  edited.config = ModelConfig::parse(json, "config.json");
  EXPECT_EQ(build_model(edited.make()).graph.find_value("score.bias"), graph::kNoValue);
  edited.remove("score.bias");
  EXPECT_NE(build_model(edited.make()).graph.find_value("score.weight"), graph::kNoValue);
}

// Scores of next words pass a soft limit there; embeddings and classes do not.
TEST(Heads, GemmasSoftLimitIsNotBuiltBehindALogitScore) {
  EditableCheckpoint edited("gemma3_text-base");
  const std::string json = read_file(testdata_model("gemma3_text-base") / "config.json");
  const std::string limited =
      cat(R"({"final_logit_softcapping":30.0,)", json.substr(json.find('"')));
  const size_t own = limited.find(R"("final_logit_softcapping": null,)");
  ASSERT_NE(own, limited.npos);
  edited.config.fields =
      ModelConfig::parse(cat(limited.substr(0, own), limited.substr(limited.find(',', own) + 1)),
                         "config.json")
          .fields;
  BuildOptions options;
  options.sentence_transformer.emplace();
  options.sentence_transformer->logit_score = LogitScoreConfig{1, 2};
  EXPECT_EQ(refusal(edited.make(), options),
            "config.json: final_logit_softcapping behind a LogitScore is not built; accepted are "
            "null");
  EXPECT_EQ(refusal(edited.make(), {HeadKind::kEmbedding, {}}), "");
}

/// A key of DeBERTa's config, and the message that it ends in.
struct BadKey {
  const char* members;
  const char* message;
};

TEST(Deberta, RefusesWhatItsConfigAsksForAndIsNotBuilt) {
  for (const BadKey& row : {
           BadKey{R"("pos_att_type":"c2p|p2p")",
                  "config.json: pos_att_type \"p2p\" is not built; accepted are c2p and p2c, each "
                  "once"},
           BadKey{R"("pos_att_type":["c2p","c2p"])",
                  "config.json: pos_att_type \"c2p\" is not built; accepted are c2p and p2c, each "
                  "once"},
           BadKey{R"("position_buckets":7)",
                  "config.json: position_buckets 7 is not built; accepted are even numbers from 4 "
                  "to 76"},
           BadKey{R"("position_buckets":78)",
                  "config.json: position_buckets 78 is not built; accepted are even numbers from "
                  "4 to 76"},
           BadKey{R"("norm_rel_ebd":"batch_norm")",
                  "config.json: norm_rel_ebd \"batch_norm\" is not built; accepted are none and "
                  "layer_norm"},
           BadKey{R"("attention_head_size":4)",
                  "config.json: attention_head_size 4 is not built; accepted are 8"},
       }) {
    EditableCheckpoint edited("deberta-v2-base");
    const std::string json = cat(R"({"model_type":"deberta-v2","relative_attention":true,)"
                                 R"("position_biased_input":false,)",
                                 row.members, "}");
    edited.config.fields = ModelConfig::parse(json, "config.json").fields;
    EXPECT_EQ(refusal(edited.make()), row.message);
  }
}

}  // namespace
}  // namespace tamis::models
