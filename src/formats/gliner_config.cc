#include "formats/gliner_config.h"

#include "base/error.h"
#include "base/file.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
// Far above any model, far below what overflows.
constexpr int64_t kMaxHidden = 65536;
constexpr int64_t kMaxWidth = 1024;
constexpr int64_t kMaxWords = 1 << 20;
constexpr int64_t kMaxTypes = 4096;
constexpr int64_t kMaxRnnLayers = 16;

constexpr std::string_view kOneEncoder =
    "only models of one encoder, which reads labels and text together, are built";

constexpr KeyRow kKeys[] = {
    honored("encoder_config"),
    honored("hidden_size"),
    honored("num_rnn_layers"),
    honored("max_width"),
    honored("max_len"),
    honored("max_types"),
    honored("class_token_index"),
    honored("embed_ent_token"),
    honored("ent_token"),
    honored("sep_token"),
    honored("vocab_size"),
    honored("model_name"),

    refused("model_type", kOneEncoder, {"\"gliner\"", "\"gliner_uni_encoder_span\""}),
    refused("span_mode", "other ways to see a span are not built", {"\"markerV0\""}),
    refused("subtoken_pooling", "words are read by their first token", {"\"first\""}),
    refused("words_splitter_type", "other ways to split words are not built", {"\"whitespace\""}),
    refused("labels_encoder", kOneEncoder, {"\"\""}),
    refused("labels_encoder_config", kOneEncoder),
    refused("labels_decoder", "labels are given, not generated", {"\"\""}),
    refused("labels_decoder_config", "labels are given, not generated"),
    refused("decoder_mode", "labels are given, not generated"),
    refused("relations_layer", "relations are not built"),
    refused("triples_layer", "relations are not built"),
    refused("post_fusion_schema", "attention between labels and words is not built", {"\"\""}),
    refused("represent_spans", "models that label tokens are not built", {"false"}),
    refused("fuse_layers", "sums of an encoder's layers are not built", {"false"}),
    refused("precomputed_prompts_mode", "labels that the weights hold are not built", {"false"}),
    refused("id_to_classes", "labels that the weights hold are not built"),
    refused("span_encoder_config", kOneEncoder),

    harmless("num_post_fusion_layers"),  // of a post_fusion_schema alone
    harmless("name"),
    harmless("architectures"),
    harmless("transformers_version"),
    harmless("torch_dtype"),
    harmless("dtype"),
    harmless("_attn_implementation"),
    harmless("_attn_implementation_autoset"),
    harmless("id2label"),
    harmless("label2id"),
    // Generative models' alone, written by their class's default.
    harmless("blank_entity_prob"),
    harmless("full_decoder_context"),
    harmless("decoder_loss_coef"),
    harmless("span_loss_coef"),
    // Training.
    harmless("dropout"),
    harmless("fine_tune"),
    harmless("max_neg_type_ratio"),
    harmless("neg_spans_ratio"),
    harmless("token_loss_coef"),
    harmless("lr_encoder"),
    harmless("lr_others"),
    harmless("num_steps"),
    harmless("num_epochs"),
    harmless("warmup_ratio"),
    harmless("train_batch_size"),
    harmless("eval_every"),
    harmless("weight_decay_encoder"),
    harmless("weight_decay_other"),
    harmless("max_grad_norm"),
    harmless("optimizer"),
    harmless("scheduler_type"),
    harmless("loss_alpha"),
    harmless("loss_gamma"),
    harmless("loss_prob_margin"),
    harmless("loss_reduction"),
    harmless("label_smoothing"),
    harmless("negatives"),
    harmless("masking"),
    harmless("root_dir"),
    harmless("log_dir"),
    harmless("train_data"),
    harmless("val_data"),
    harmless("val_data_dir"),
    harmless("ner_data"),
    harmless("prev_path"),
    harmless("save_total_limit"),
    harmless("size_sup"),
    harmless("shuffle_types"),
    harmless("random_drop"),
    harmless("freeze_token_rep"),
};
static_assert(keys_are_distinct(kKeys));

}  // namespace

GlinerConfig GlinerConfig::of(const ConfigFields& fields) {
  fields.check(kKeys);
  GlinerConfig config;
  config.hidden_size = fields.integer("hidden_size", config.hidden_size, 2, kMaxHidden);
  config.num_rnn_layers =
      fields.integer("num_rnn_layers", config.num_rnn_layers, -1, kMaxRnnLayers);
  config.max_width = fields.integer("max_width", config.max_width, 1, kMaxWidth);
  config.max_len = fields.integer("max_len", config.max_len, 1, kMaxWords);
  config.max_types = fields.integer("max_types", config.max_types, 1, kMaxTypes);
  config.embed_ent_token = fields.flag("embed_ent_token", config.embed_ent_token);
  config.ent_token = fields.text("ent_token", config.ent_token);
  config.sep_token = fields.text("sep_token", config.sep_token);
  config.class_token_index = fields.integer("class_token_index", -1, -1, INT32_MAX);
  if (config.class_token_index < 0) {
    fields.refuse("class_token_index", "-1",
                  "the id of the token that marks labels, which the package writes when it saves");
  }
  if (config.hidden_size % 2 != 0 && config.num_rnn_layers > 0) {
    fields.refuse("hidden_size", std::to_string(config.hidden_size),
                  "even sizes, half of which each direction of the LSTM has");
  }
  return config;
}

bool is_gliner(const fs::path& folder) { return file_exists(folder / kGlinerConfig); }

ConfigFields read_gliner_fields(const fs::path& folder) {
  const fs::path path = folder / kGlinerConfig;
  return ConfigFields::parse(read_file(path, kMaxConfigBytes), path.string());
}

ModelConfig read_gliner_encoder(const ConfigFields& fields, const fs::path& folder,
                                std::string_view family) {
  if (fields.has("encoder_config")) return ModelConfig::of(fields.inner("encoder_config"), family);
  const fs::path path = folder / "config.json";
  if (!file_exists(path)) {
    fail(ErrorCode::kUnsupported, fields.source(),
         ": has no encoder_config, and no config.json of ",
         json_quote(fields.text("model_name", "").substr(0, 200)),
         " lies beside it; accepted is either, with that model's tokenizer files");
  }
  ModelConfig config = ModelConfig::read(path, family);
  // The tokens that the package adds have rows that the base model lacks.
  const int64_t rows = fields.integer("vocab_size", -1, -1, INT32_MAX);
  if (rows > 0) config.vocab_size = rows;
  return config;
}

}  // namespace tamis
