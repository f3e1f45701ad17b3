#include "formats/sentence_transformers.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "formats/chat_template.h"
#include "formats/config_file.h"
#include "formats/hf_config.h"
#include "formats/module_list.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr KeyRow kFolderKeys[] = {
    honored("prompts"),
    honored("default_prompt_name"),
    honored("similarity_fn_name"),
    honored("model_type"),
    honored("activation_fn"),
    harmless("__version__"),
    harmless("requirements"),
    harmless("keep_in_fp32_modules"),
    honored("truncate_dim"),
    // PyLate's.
    honored("query_prefix"),
    honored("document_prefix"),
    honored("query_length"),
    honored("document_length"),
    honored("do_query_expansion"),
    honored("attend_to_expansion_tokens"),
    honored("skiplist_words"),
    refused("max_active_dims", "a folder's limit of words is not built; --top-k asks for one"),
};
static_assert(keys_are_distinct(kFolderKeys));

// What the modules make of the Transformer's output must be a sentence's vector or a pair's score.
void check_output(const SentenceTransformerConfig& config, const std::string& source) {
  const bool alone = !config.pooling && config.pooled.empty() && !config.normalize;
  if (config.logit_score && config.output != TransformerOutput::kNextToken) {
    fail(ErrorCode::kUnsupported, source,
         ": a LogitScore behind a Transformer that gives no scores of next words; accepted is "
         "\"transformer_task\": \"text-generation\" in sentence_bert_config.json");
  }
  if (config.is_token_weights()) return;  // alone, as the list of modules has it
  if (config.sparse && config.output != TransformerOutput::kVocabularyLogits) {
    fail(ErrorCode::kUnsupported, source,
         ": SpladePooling needs a Transformer for masked words: an MLMTransformer, or "
         "\"transformer_task\": \"fill-mask\" in sentence_bert_config.json");
  }
  if (config.late_interaction && config.output != TransformerOutput::kTokenEmbeddings) {
    fail(ErrorCode::kUnsupported, source,
         ": modules for tokens behind a Transformer that gives none are not built");
  }
  switch (config.output) {
    case TransformerOutput::kTokenEmbeddings:
      if (config.pooling || config.late_interaction) return;
      fail(ErrorCode::kUnsupported, source,
           ": no Pooling module behind the Transformer, so that there is no sentence embedding; "
           "accepted is one Pooling, or a sentence_bert_config.json with \"pooler_output\"");
    case TransformerOutput::kPoolerOutput:
      if (!config.pooling) return;
      fail(ErrorCode::kUnsupported, source,
           ": a Pooling module behind a Transformer that gives pooler_output; accepted is "
           "last_hidden_state with Pooling, or pooler_output without");
    case TransformerOutput::kVocabularyLogits:
      if (alone && config.sparse) return;
      fail(ErrorCode::kUnsupported, source,
           ": a Transformer for masked words without a SpladePooling alone behind it is not built");
    case TransformerOutput::kScores:
      if (alone) return;
      fail(ErrorCode::kUnsupported, source,
           ": modules behind a Transformer for sequence classification are not built; accepted is "
           "the Transformer alone");
    case TransformerOutput::kStaticEmbedding:
      if (!config.pooling) return;
      fail(ErrorCode::kUnsupported, source,
           ": a Pooling module behind a StaticEmbedding, which gives one vector for a text; "
           "accepted are Dense, LayerNorm and Normalize");
    case TransformerOutput::kTokenWeights:
      return;
    case TransformerOutput::kNextToken:
      if (alone && config.logit_score) return;
      fail(ErrorCode::kUnsupported, source,
           ": a Transformer for text generation without a LogitScore alone behind it; text is not "
           "generated, accepted are both together");
  }
}

// PyLate's keys; its older versions name no model_type.
bool is_pylate(const ConfigObject& file) {
  return file.text("model_type").value_or("") == "ColBERT" || file.get("query_prefix").exists();
}

// Whether the folder says that its vectors are those of tokens.
bool is_late(const ConfigObject& file) {
  return is_pylate(file) || file.text("model_type").value_or("") == "MultiVectorEncoder";
}

void read_prompts(const ConfigObject& file, SentenceTransformerConfig& config) {
  const JsonView prompts = file.get("prompts");
  if (prompts && !prompts.is_object()) {
    fail(ErrorCode::kCorruptData, file.what("prompts"), " must be an object from name to text");
  }
  for (size_t i = 0; i < prompts.size(); ++i) {
    const JsonView::Member member = prompts.member(i);
    std::string text;
    if (!member.value.is_null()) text = member.value.as_string(file.what("a prompt"));
    config.prompts.emplace(member.key, std::move(text));
  }
  config.default_prompt_name = file.text("default_prompt_name");
  if (config.default_prompt_name && !config.prompts.contains(*config.default_prompt_name)) {
    fail(ErrorCode::kCorruptData, file.what("default_prompt_name"), " ",
         json_quote(*config.default_prompt_name), " is not one of the prompts");
  }
}

void read_cross_encoder(const ConfigObject& file, SentenceTransformerConfig& config) {
  config.is_cross_encoder = true;
  if (const auto path = file.text("activation_fn")) {
    config.cross_encoder_activation = activation_from_python_path(*path);
    if (!config.cross_encoder_activation) {
      fail(ErrorCode::kUnsupported, file.what("activation_fn"), " ",
           json_quote(path->substr(0, 200)), " is not built; accepted are ",
           known_python_activations());
    }
  }
}

void read_folder_config(const fs::path& path, SentenceTransformerConfig& config) {
  if (!file_exists(path)) return;
  const ConfigFile file(path);
  file->check(kFolderKeys);
  read_prompts(file.root(), config);
  config.similarity_fn_name = file->text("similarity_fn_name");
  config.truncate_dim = file->count("truncate_dim", kMaxFeatures);
  const std::string kind = file->text("model_type").value_or("SentenceTransformer");
  if (kind == "CrossEncoder") {
    read_cross_encoder(file.root(), config);
  } else if (kind == "SparseEncoder") {
    if (config.sparse) return;
    fail(ErrorCode::kUnsupported, path.string(),
         ": a SparseEncoder without SpladePooling is not built");
  } else if (kind != "SentenceTransformer" && !is_late(file.root())) {
    fail(ErrorCode::kUnsupported, file->what("model_type"), " ", json_quote(kind),
         " is not built; accepted are \"SentenceTransformer\", \"CrossEncoder\", "
         "\"SparseEncoder\", \"MultiVectorEncoder\" and \"ColBERT\"");
  }
}

// What the folder's files say beside its modules of how tokens' vectors are made.
void finish_late(const fs::path& folder_config, const fs::path& transformer,
                 const LateInteractionConfig& of_module, SentenceTransformerConfig& config) {
  LateInteractionConfig& late = *config.late_interaction;
  LateInteractionConfig said = of_module;
  if (file_exists(folder_config)) {
    const ConfigFile file(folder_config);
    if (is_pylate(file.root())) {
      said = read_pylate(file.root());
      // Its two modules are followed by these.
      late.normalize = late.masked = true;
      if (late.skiplist.empty()) late.skiplist = said.skiplist;
    }
  }
  said.projection = std::move(late.projection);
  said.normalize = late.normalize;
  said.masked = late.masked;
  said.skiplist = std::move(late.skiplist);
  late = std::move(said);
  if (late.expand_queries && !late.attend_to_expansion && !late.masked) {
    fail(ErrorCode::kUnsupported, transformer.string(),
         ": query_expansion without a MultiVectorMask, which would score what fills up, is not "
         "built; accepted is with one, or with \"attend\": true");
  }
  if (!late.projection.empty()) return;
  fail(ErrorCode::kUnsupported, transformer.string(),
       ": vectors of tokens without a Dense module that makes them are not built");
}

// sentence-transformers makes default modules then, and reads neither file.
void warn_of_files_without_modules(const fs::path& folder) {
  for (const std::string_view name :
       {"sentence_bert_config.json", "config_sentence_transformers.json"}) {
    if (!file_exists(folder / name)) continue;
    log(LogLevel::kWarning,
        cat((folder / name).string(), ": not looked at, as there is no modules.json beside it"));
  }
}

// SetFit's head reads the one vector that the modules make, whole.
void read_setfit(const fs::path& folder, SentenceTransformerConfig& config) {
  config.setfit = read_setfit_head(folder);
  if (!config.setfit) return;
  const std::string source = (folder / kSetFitHead).string();
  const bool dense =
      config.pooling || config.is_static() || config.output == TransformerOutput::kPoolerOutput;
  if (!dense) {
    fail(ErrorCode::kUnsupported, source,
         ": a SetFit head behind modules that give no embedding of the text is not built");
  }
  if (!config.truncate_dim) return;
  fail(ErrorCode::kUnsupported, source,
       ": a SetFit head beside truncate_dim in config_sentence_transformers.json is not built");
}

bool gives_scores(TransformerOutput output) {
  return output == TransformerOutput::kScores || output == TransformerOutput::kNextToken;
}

// A cross-encoder's scores need its head, and only it may have them.
void check_kind(const SentenceTransformerConfig& config, const std::string& source) {
  if (!config.is_cross_encoder || gives_scores(config.output)) return;
  fail(ErrorCode::kUnsupported, source,
       ": a CrossEncoder without a sequence classification head is not built; accepted is "
       "\"transformer_task\": \"sequence-classification\" in sentence_bert_config.json");
}

// What the Transformer's own file says.
TransformerModule read_transformer(const fs::path& folder_config,
                                   SentenceTransformerConfig& config) {
  const bool words = config.output == TransformerOutput::kVocabularyLogits;
  TransformerModule transformer =
      read_transformer_module(config.transformer_folder, words ? kFillMaskTask : kDefaultTask);
  config.output = transformer.output;
  if (config.late_interaction) {
    finish_late(folder_config, config.transformer_folder, transformer.late, config);
  } else if (transformer.has_late_keys) {
    fail(ErrorCode::kUnsupported, config.transformer_folder.string(),
         ": query_length, document_length and query_expansion are for vectors of tokens alone");
  }
  config.max_seq_length = transformer.max_seq_length;
  config.do_lower_case = transformer.do_lower_case;
  config.tokenizer_overrides = transformer.tokenizer_overrides;
  return transformer;
}

}  // namespace

SentenceTransformerConfig read_sentence_transformer(const fs::path& folder) {
  SentenceTransformerConfig config;
  config.transformer_folder = folder;
  if (!file_exists(folder / "modules.json")) {
    warn_of_files_without_modules(folder);
    if (file_exists(folder / kSetFitHead)) {
      fail(ErrorCode::kUnsupported, (folder / kSetFitHead).string(),
           ": a SetFit head without modules.json is not built; accepted is a folder that SetFit "
           "saved with its body");
    }
    return config;
  }
  const fs::path folder_config = folder / "config_sentence_transformers.json";
  const bool pylate = file_exists(folder_config) && is_pylate(ConfigFile(folder_config).root());
  read_module_list(folder, pylate, config);
  TransformerModule transformer;
  const bool table = config.is_static() || config.is_token_weights();
  if (!table) transformer = read_transformer(folder_config, config);
  read_folder_config(folder_config, config);
  const std::string source = (folder / "modules.json").string();
  check_output(config, source);
  check_kind(config, source);
  read_setfit(folder, config);
  config.is_cross_encoder |= gives_scores(config.output);
  if (config.logit_score) {
    const ChatTemplateText chat = read_chat_template(config.transformer_folder);
    config.pair_template =
        parse_pair_template(chat.text, chat.source, transformer.add_generation_prompt);
  }
  return config;
}

}  // namespace tamis
