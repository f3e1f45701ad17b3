#include "base/json.h"
#include "cli/command.h"
#include "formats/adapter_base.h"
#include "formats/sentence_transformers.h"

namespace tamis::cli {

namespace {

std::string to_json(const tokenizer::Encoding& encoding) {
  JsonWriter json;
  json.begin_object().key("input_ids").array(encoding.ids).key("tokens").begin_array();
  for (const std::string& token : encoding.tokens) json.value(token);
  json.end_array().key("offsets").begin_array();
  for (const tokenizer::Span& span : encoding.offsets) {
    json.begin_array().value(span.start).value(span.end).end_array();
  }
  json.end_array().key("token_type_ids").array(encoding.type_ids);
  if (encoding.truncated) json.member("truncated", true);
  return json.end_object().take();
}

// Works on a folder that holds a tokenizer and nothing else, too.
tokenizer::Tokenizer load_tokenizer(const std::string& model, const CommonFlags& common) {
  const std::filesystem::path folder(model);
  std::error_code ignored;
  if (std::filesystem::is_directory(folder, ignored) &&
      !std::filesystem::exists(folder / "modules.json", ignored) && !is_adapter_alone(folder)) {
    return tokenizer::Tokenizer::load(folder);
  }
  const api::ModelPath path = find_model(model, common, hub::Parts::kTokenizer);
  const SentenceTransformerConfig sentence = read_sentence_transformer(path.folder);
  const std::filesystem::path& inner = sentence.transformer_folder;
  return tokenizer::Tokenizer::load(
      api::tokenizer_folder(path, inner.empty() ? path.folder : inner),
      {.bare = sentence.is_static()});
}

}  // namespace

int cmd_tokenize(const std::vector<std::string>& arguments) {
  Options options("tokenize",
                  "Ids, tokens and offsets (in code points) of each text, as JSON lines.",
                  "tamis tokenize build/models/minilm \"A text.\"");
  CommonFlags common;
  std::string model;
  std::vector<std::string> texts;
  std::optional<std::string> input;
  std::optional<std::string> pair;
  std::string output = "-";
  int64_t max_length = 0;
  bool no_special = false;
  options.positional("MODEL", model, true, "a folder with a tokenizer");
  options.positional("TEXT", texts, false, "texts to tokenize");
  options.option("--input", input,
                 "a .txt, .tsv or .jsonl file of inputs, or .parquet or .arrow where they are "
                 "built in; - for standard input");
  options.option(
      "--output", output,
      "where results go: JSON lines, or by its end .parquet or .arrow; - for standard output");
  options.text("--pair", pair, "the second text of every pair");
  options.option("--max-length", max_length, "cut to so many tokens (default: no cut)");
  options.flag("--no-special-tokens", no_special, "without [CLS], </s> and the like");
  common.add_to(options);
  if (!options.parse(arguments)) return 0;

  const auto table = lines_or_table(output, encoding_schema());
  const tokenizer::Tokenizer tokenizer = load_tokenizer(model, common);
  InputReader inputs(input, std::move(texts));
  tokenizer::EncodeOptions encode;
  encode.tokens = true;
  encode.max_length = max_length;
  encode.add_special_tokens = !no_special;
  encode.truncation_side = tokenizer.truncation_side();
  const auto pool = common.make_pool();
  const auto sink = open_output(output, table);
  constexpr size_t kChunk = 4096;
  for (TaskInputs chunk = inputs.next(kChunk); !chunk.items.empty(); chunk = inputs.next(kChunk)) {
    std::vector<tokenizer::TextInput> views;
    for (tasks::TaskInput& item : chunk.items) {
      add_pair(pair, input.value_or(""), item);
      views.push_back(
          {item.text, item.pair ? std::optional<std::string_view>(*item.pair) : std::nullopt});
    }
    for (const tokenizer::Encoding& encoding : tokenizer.encode_batch(views, encode, pool.get())) {
      sink->write(to_json(encoding) + "\n");
    }
  }
  sink->finish();
  return 0;
}

}  // namespace tamis::cli
