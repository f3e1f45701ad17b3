// Any text through a tokenizer of each kind: it is refused as not UTF-8, or its offsets lie in it.
// The first byte picks the tokenizer.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace {

using tamis::tokenizer::Encoding;
using tamis::tokenizer::Tokenizer;

constexpr std::string_view kBert =
    R"json({"added_tokens":[{"content":"[X]","special":true,"lstrip":true}],
"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,
"strip_accents":null,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},
"model":{"type":"WordPiece","unk_token":"[U]","continuing_subword_prefix":"##",
"max_input_chars_per_word":20,"vocab":{"[U]":0,"a":1,"##b":2,"e":3,".":4}}})json";

constexpr std::string_view kBytes = R"json({"normalizer":{"type":"NFC"},
"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true},
"post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true},
"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","unk_token":"?","fuse_unk":true,
"vocab":{"?":0,"a":1,"b":2,"ab":3,"\u0120":4,"\u0120a":5,"\u00c3":6,"\u00a9":7,"\u00c3\u00a9":8},
"merges":["a b","\u0120 a",["\u00c3","\u00a9"]]}})json";

constexpr std::string_view kUnigram = R"json({"normalizer":{"type":"Sequence","normalizers":[
{"type":"NFKD"},{"type":"StripAccents"},{"type":"Lowercase"},{"type":"Replace","pattern":
{"Regex":" {2,}"},"content":" "},{"type":"Strip","strip_left":true,"strip_right":true}]},
"pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true},
"decoder":{"type":"Metaspace","replacement":"\u2581"},"model":{"type":"Unigram","unk_id":0,
"vocab":[["<unk>",0],["\u2581",-2],["a",-1.5],["\u2581a",-2.5],["ab",-3]]}})json";

constexpr std::string_view kSplit = R"json({"added_tokens":[{"content":"aa","single_word":true}],
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":
"\\p{L}+|\\d|\\s+(?!\\S)"
}
, "behavior" : "MergedWithNext", "invert" : false
},{"type":"Digits",
"individual_digits":true},{"type":"Punctuation","behavior":"Contiguous"},{"type":"UnicodeScripts"}]
}
, "model" : {
  "type" : "WordLevel", "unk_token" : "u", "vocab" : { "u" : 0, "a" : 1 }
}
})json";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::array<Tokenizer, 4> tokenizers = {
      Tokenizer::load_json(kBert, "bert"), Tokenizer::load_json(kBytes, "bytes"),
      Tokenizer::load_json(kUnigram, "unigram"), Tokenizer::load_json(kSplit, "split")};
  if (size == 0) return 0;
  const Tokenizer& tokenizer = tokenizers[data[0] % tokenizers.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    const Encoding encoding = tokenizer.encode(text);
    for (const auto& span : encoding.offsets) {
      TAMIS_CHECK(0 <= span.start && span.start <= span.end);
      TAMIS_CHECK(span.end <= static_cast<int32_t>(text.size()));
    }
    (void)tokenizer.decode(encoding.ids, false);
  } catch (const tamis::Error& error) {
    if (error.code() != tamis::ErrorCode::kInvalidArgument) throw;
  }
  return 0;
}
