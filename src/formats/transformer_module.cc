#include "formats/transformer_module.h"

#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "formats/config_file.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kMaxLength = 1 << 30;

// sentence-transformers looks for these, in this order.
constexpr std::string_view kFiles[] = {
    "sentence_bert_config.json",       "sentence_roberta_config.json",
    "sentence_distilbert_config.json", "sentence_camembert_config.json",
    "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
};

constexpr KeyRow kKeys[] = {
    honored("max_seq_length"),
    honored("do_lower_case"),
    honored("transformer_task"),
    honored("modality_config"),
    honored("module_output_name"),
    honored("tokenizer_args"),
    honored("processor_kwargs"),
    honored("config_args"),
    honored("config_kwargs"),
    honored("model_args"),
    honored("model_kwargs"),
    harmless("unpad_inputs"),  // there is no padding here
    harmless("backend"),
    refused("tokenizer_name_or_path", "a tokenizer from another place is not built"),
    honored("processing_kwargs"),
    honored("query_length"),
    honored("document_length"),
    honored("query_expansion"),
};
static_assert(keys_are_distinct(kKeys));

constexpr KeyRow kModalityKeys[] = {
    honored("text"),
    honored("message"),
    // Inputs that are not texts.
    harmless("image"),
    harmless("audio"),
    harmless("video"),
    harmless("image+text"),
};
static_assert(keys_are_distinct(kModalityKeys));

constexpr std::string_view kEachCall = "arguments of each tokenizer call are not built";

constexpr KeyRow kCallKeys[] = {
    honored("chat_template"),
    refused("text", kEachCall, {"{}"}),
    refused("common", kEachCall, {"{}"}),
    refused("image", kEachCall, {"{}"}),
    refused("audio", kEachCall, {"{}"}),
    refused("video", kEachCall, {"{}"}),
};
static_assert(keys_are_distinct(kCallKeys));

constexpr KeyRow kChatKeys[] = {
    honored("add_generation_prompt"),
    refused("restore_suffix", "a template cut at its end is not built", {"true"}),
};
static_assert(keys_are_distinct(kChatKeys));

constexpr std::string_view kOtherTokenizer = "a tokenizer made another way is not built";

// Arguments of AutoTokenizer.from_pretrained().
constexpr KeyRow kProcessorKeys[] = {
    honored("model_max_length"),
    harmless("padding"),
    harmless("use_fast"),
    harmless("token"),
    harmless("use_auth_token"),
    harmless("revision"),
    harmless("local_files_only"),
    harmless("trust_remote_code"),
    harmless("cache_dir"),
    harmless("clean_up_tokenization_spaces"),
    // What the tokenizer reads in place of tokenizer_config.json's.
    honored("padding_side"),
    honored("truncation_side"),
    honored("do_lower_case"),
    honored("strip_accents"),
    honored("tokenize_chinese_chars"),
    honored("keep_accents"),
    honored("clean_text"),
    honored("add_prefix_space"),
    honored("trim_offsets"),
    honored("legacy"),
    honored("split_by_punct"),
    honored("add_bos_token"),
    honored("add_eos_token"),
    honored("unk_id"),
    honored("extra_ids"),
    honored("model_input_names"),
    honored("additional_special_tokens"),
    honored("extra_special_tokens"),
    honored("bos_token"),
    honored("eos_token"),
    honored("unk_token"),
    honored("sep_token"),
    honored("pad_token"),
    honored("cls_token"),
    honored("mask_token"),
    refused("add_special_tokens", kOtherTokenizer, {"true"}),
    refused("tokenizer_type", kOtherTokenizer),
    refused("subfolder", kOtherTokenizer, {"\"\""}),
};
static_assert(keys_are_distinct(kProcessorKeys));

// Arguments of AutoModel.from_pretrained(): where and in which dtype the weights lie.
constexpr KeyRow kModelKeys[] = {
    harmless("torch_dtype"),
    harmless("dtype"),
    harmless("attn_implementation"),
    harmless("device_map"),
    harmless("low_cpu_mem_usage"),
    harmless("use_safetensors"),
    harmless("add_pooling_layer"),
    harmless("token"),
    harmless("use_auth_token"),
    harmless("revision"),
    harmless("local_files_only"),
    harmless("trust_remote_code"),
    harmless("cache_dir"),
    refused("quantization_config", "weights quantized at load are not built"),
    refused("load_in_8bit", "weights quantized at load are not built", {"false"}),
    refused("load_in_4bit", "weights quantized at load are not built", {"false"}),
    refused("subfolder", "weights in another folder are not built", {"\"\""}),
    refused("variant", "weights of another name are not built"),
};
static_assert(keys_are_distinct(kModelKeys));

// Arguments of AutoConfig.from_pretrained() that change no number.
constexpr std::string_view kHarmlessConfigKeys[] = {
    "use_cache",
    "attn_implementation",
    "token",
    "use_auth_token",
    "revision",
    "cache_dir",
    "trust_remote_code",
    "local_files_only",
    "output_attentions",
};

// Any other of them overrides config.json.
void check_config_arguments(const ConfigObject& arguments) {
  for (size_t i = 0; i < arguments.view().size(); ++i) {
    const JsonView::Member member = arguments.view().member(i);
    bool harmless = member.value.is_null();
    for (const std::string_view key : kHarmlessConfigKeys) harmless |= key == member.key;
    if (harmless) continue;
    fail(ErrorCode::kUnsupported, arguments.source(), ": the key ",
         json_quote(member.key.substr(0, 200)),
         " overrides config.json, which is not built; write its value into config.json");
  }
}

struct OutputRow {
  std::string_view task;
  std::string_view method_output;
  std::string_view module_output;
  TransformerOutput output;
};
constexpr OutputRow kOutputs[] = {
    {"feature-extraction", "last_hidden_state", "token_embeddings",
     TransformerOutput::kTokenEmbeddings},
    {"feature-extraction", "pooler_output", "sentence_embedding", TransformerOutput::kPoolerOutput},
    {"sequence-classification", "logits", "scores", TransformerOutput::kScores},
    {"text-generation", "logits", "causal_logits", TransformerOutput::kNextToken},
    {"fill-mask", "logits", "token_embeddings", TransformerOutput::kVocabularyLogits},
};

// "last_hidden_state", or a list that holds this one name.
std::string method_output(const ConfigObject& text) {
  const std::string key = text.what("method_output_name");
  JsonView name = text.get("method_output_name");
  if (name.is_array() && name.size() == 1) name = name.at(0);
  if (name.is_string()) return std::string(name.as_string(key));
  JsonWriter json;
  json.value(name);
  fail(ErrorCode::kUnsupported, key, " is ", std::string_view(json.str()).substr(0, 200),
       "; accepted are \"last_hidden_state\", \"pooler_output\" and \"logits\"");
}

constexpr KeyRow kTextKeys[] = {
    honored("method_output_name"),
    honored("format"),
    refused("method", "only the model's forward() is built", {"\"forward\""}),
};
static_assert(keys_are_distinct(kTextKeys));

// A pair goes through the chat template as two messages of plain text.
void check_messages(const ConfigObject& file, const std::optional<ConfigObject>& modalities) {
  const auto message = modalities ? modalities->object("message") : std::nullopt;
  if (!message) {
    fail(ErrorCode::kUnsupported, file.what("modality_config"),
         " has no \"message\": scores of next words without a chat template are not built");
  }
  message->check(kTextKeys);
  if (const std::string name = method_output(*message); name != "logits") {
    fail(ErrorCode::kUnsupported, message->what("method_output_name"), " is ", json_quote(name),
         "; accepted is \"logits\"");
  }
  if (const std::string format = message->text("format").value_or("flat"); format != "flat") {
    fail(ErrorCode::kUnsupported, message->what("format"), " is ",
         json_quote(std::string_view(format).substr(0, 200)),
         ", which is not built; accepted is "
         "\"flat\"");
  }
}

bool reads_generation_prompt(const ConfigObject& file) {
  const auto calls = file.object("processing_kwargs");
  if (!calls) return false;
  calls->check(kCallKeys);
  const auto chat = calls->object("chat_template");
  if (!chat) return false;
  chat->check(kChatKeys);
  return chat->flag("add_generation_prompt", false);
}

TransformerOutput read_output(const ConfigObject& file, std::string_view usual) {
  const std::string task = file.text("transformer_task").value_or(std::string(usual));
  const OutputRow* row = nullptr;
  for (const OutputRow& each : kOutputs) {
    if (row == nullptr && each.task == task) row = &each;
  }
  if (row == nullptr) {
    fail(ErrorCode::kUnsupported, file.what("transformer_task"), " ", json_quote(task),
         " is not built; accepted are \"feature-extraction\", \"sequence-classification\", "
         "\"text-generation\" and \"fill-mask\"");
  }
  std::string method(row->method_output);
  const auto modalities = file.object("modality_config");
  if (row->output == TransformerOutput::kNextToken) check_messages(file, modalities);
  if (modalities) {
    modalities->check(kModalityKeys);
    if (row->output != TransformerOutput::kNextToken && modalities->get("message")) {
      fail(ErrorCode::kUnsupported, modalities->what("message"),
           ": texts go through the tokenizer's chat template, which is built for "
           "\"transformer_task\""
           ": \"text-generation\" alone; accepted is a modality_config of \"text\"");
    }
    const auto text = modalities->object("text");
    if (!text) {
      fail(ErrorCode::kUnsupported, modalities->source(),
           ": has no \"text\", and other inputs are not built");
    }
    text->check(kTextKeys);
    method = method_output(*text);
  }
  const std::string module =
      file.text("module_output_name").value_or(std::string(row->module_output));
  for (const OutputRow& each : kOutputs) {
    if (each.task == task && each.method_output == method && each.module_output == module) {
      return each.output;
    }
  }
  fail(ErrorCode::kUnsupported, file.source(), ": transformer_task ", json_quote(task),
       " with method_output_name ", json_quote(method), " and module_output_name ",
       json_quote(module),
       " is not built; accepted are feature-extraction with last_hidden_state as token_embeddings "
       "or pooler_output as sentence_embedding, sequence-classification with logits as scores, "
       "text-generation with logits as causal_logits, fill-mask with logits as token_embeddings");
}

bool is_honored(std::string_view key) {
  for (const KeyRow& row : kProcessorKeys) {
    if (row.key == key) return row.use == KeyUse::kHonored;
  }
  return false;
}

// The honored members of `arguments`, behind those of `text`.
std::string with_members(const std::string& text, const ConfigObject& arguments) {
  const JsonDocument before = JsonDocument::parse(text.empty() ? "{}" : text, arguments.source());
  const JsonView members = before.root().as_object(arguments.source());
  JsonWriter json;
  json.begin_object();
  for (size_t i = 0; i < members.size(); ++i) {
    const JsonView::Member member = members.member(i);
    if (!arguments.get(member.key).exists()) json.member(member.key, member.value);
  }
  for (size_t i = 0; i < arguments.view().size(); ++i) {
    const JsonView::Member member = arguments.view().member(i);
    if (is_honored(member.key)) json.member(member.key, member.value);
  }
  json.end_object();
  return json.take();
}

TransformerModule read(const ConfigObject& file, std::string_view task) {
  file.check(kKeys);
  TransformerModule module;
  module.output = read_output(file, task);
  module.max_seq_length = file.count("max_seq_length", kMaxLength);
  module.do_lower_case = file.flag("do_lower_case", false);
  module.add_generation_prompt = reads_generation_prompt(file);
  for (const std::string_view key : {"query_length", "document_length", "query_expansion"}) {
    module.has_late_keys = module.has_late_keys || file.get(key).exists();
  }
  read_query_expansion(file, module.late);
  for (const std::string_view key : {"tokenizer_args", "processor_kwargs"}) {
    const auto arguments = file.object(key);
    if (!arguments) continue;
    arguments->check(kProcessorKeys);
    module.tokenizer_overrides = with_members(module.tokenizer_overrides, *arguments);
    // Handed to the tokenizer as it is, so it wins over max_seq_length.
    if (const auto length = arguments->count("model_max_length", kMaxLength)) {
      module.max_seq_length = length;
    }
  }
  for (const std::string_view key : {"config_args", "config_kwargs"}) {
    if (const auto arguments = file.object(key)) check_config_arguments(*arguments);
  }
  for (const std::string_view key : {"model_args", "model_kwargs"}) {
    if (const auto arguments = file.object(key)) arguments->check(kModelKeys);
  }
  return module;
}

}  // namespace

TransformerModule read_transformer_module(const fs::path& folder, std::string_view task) {
  for (const std::string_view name : kFiles) {
    if (file_exists(folder / name)) return read(ConfigFile(folder / name).root(), task);
  }
  return read(ConfigFile("{}", (folder / kFiles[0]).string()).root(), task);
}

}  // namespace tamis
