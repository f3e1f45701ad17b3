#include "tokenizer/side_file_keys.h"

#include <algorithm>
#include <array>

#include "base/key_table.h"

namespace tamis::tokenizer {

namespace {

constexpr std::string_view kOtherCutter = "another way of cutting words is not built";

constexpr std::array kConfigKeys = {
    // The class and what it takes.
    honored("tokenizer_class"),
    honored("do_lower_case"),
    honored("strip_accents"),
    honored("tokenize_chinese_chars"),
    honored("add_prefix_space"),
    honored("trim_offsets"),
    honored("keep_accents"),
    honored("clean_text"),
    honored("legacy"),
    honored("split_by_punct"),
    honored("unk_id"),
    honored("extra_ids"),
    honored("add_bos_token"),
    honored("add_eos_token"),
    honored("src_lang"),
    honored("auto_map"),
    // Tokens; any *_token that is none of the seven roles is one of the model's own.
    honored("*_token"),
    honored("added_tokens_decoder"),
    honored("additional_special_tokens"),
    honored("extra_special_tokens"),
    // Lengths and sides.
    honored("model_max_length"),
    honored("max_len"),
    honored("truncation_side"),
    honored("padding_side"),
    honored("model_input_names"),
    // Read by no class here, or only when tokens are made into text or batches.
    harmless("backend"),
    harmless("chat_control_tokens"),
    harmless("chat_template"),
    harmless("clean_up_tokenization_spaces"),
    harmless("do_basic_tokenize"),
    harmless("errors"),
    harmless("from_slow"),
    harmless("init_inputs"),
    harmless("is_local"),
    harmless("local_files_only"),
    harmless("max_length"),
    harmless("merges_file"),
    harmless("name_or_path"),
    harmless("never_split"),
    harmless("pad_to_multiple_of"),
    harmless("pad_token_type_id"),
    harmless("processor_class"),
    harmless("remove_space"),
    harmless("response_schema"),
    harmless("response_template"),
    harmless("sp_model_kwargs"),
    harmless("special_tokens_map_file"),
    harmless("stride"),
    harmless("tgt_lang"),
    harmless("tokenizer_file"),
    harmless("truncation_strategy"),
    harmless("use_fast"),
    harmless("verbose"),
    harmless("use_default_system_prompt"),
    harmless("vocab_file"),
    harmless("vocab_type"),
    harmless("wordpieces_prefix"),
    // What would give other ids.
    refused("split_special_tokens", "special tokens of a text taken as text are not built",
            {"false"}),
    refused("fix_mistral_regex", "another pattern than tokenizer.json's is not built", {"false"}),
    refused("fast_tokenizer_files", "a tokenizer.json of another name is not built",
            {"[]", R"(["tokenizer.json"])"}),
};

// BertJapaneseTokenizer's; its rules look at their values.
constexpr std::array kJapaneseKeys = {
    honored("word_tokenizer_type"), honored("subword_tokenizer_type"),
    honored("do_subword_tokenize"), honored("do_word_tokenize"),
    honored("mecab_kwargs"),        harmless("sudachi_kwargs"),
    harmless("jumanpp_kwargs"),     harmless("spm_file"),
};
// The same ones under other classes.
constexpr std::array kOtherKeys = {
    refused("word_tokenizer_type", kOtherCutter, {R"("basic")"}),
    refused("subword_tokenizer_type", kOtherCutter, {R"("wordpiece")"}),
    refused("do_subword_tokenize", kOtherCutter, {"true"}),
    refused("do_word_tokenize", kOtherCutter, {"true"}),
    refused("mecab_kwargs", kOtherCutter, {"{}"}),
    refused("sudachi_kwargs", kOtherCutter, {"{}"}),
    refused("jumanpp_kwargs", kOtherCutter, {"{}"}),
};

template <size_t kFirst, size_t kSecond>
constexpr auto joined(const std::array<KeyRow, kFirst>& first,
                      const std::array<KeyRow, kSecond>& second) {
  std::array<KeyRow, kFirst + kSecond> all;
  std::copy(first.begin(), first.end(), all.begin());
  std::copy(second.begin(), second.end(), all.begin() + kFirst);
  return all;
}

constexpr auto kConfigOfJapanese = joined(kConfigKeys, kJapaneseKeys);
constexpr auto kConfigOfOthers = joined(kConfigKeys, kOtherKeys);
static_assert(keys_are_distinct(kConfigOfJapanese) && keys_are_distinct(kConfigOfOthers));

constexpr std::array kMapKeys = {
    honored("*_token"),
    honored("additional_special_tokens"),
    honored("extra_special_tokens"),
};
static_assert(keys_are_distinct(kMapKeys));

}  // namespace

void check_tokenizer_config_keys(const JsonView& config, const std::string& source,
                                 ClassRules rules) {
  if (is_japanese(rules)) {
    check_keys(config, source, kConfigOfJapanese);
  } else {
    check_keys(config, source, kConfigOfOthers);
  }
}

void check_special_tokens_map_keys(const JsonView& map, const std::string& source) {
  check_keys(map, source, kMapKeys);
}

}  // namespace tamis::tokenizer
