// MeCab where it is not built in.
#include "base/error.h"
#include "base/json.h"
#include "tokenizer/mecab/mecab.h"

namespace tamis::tokenizer {

std::shared_ptr<const Mecab> Mecab::open(std::string_view dictionary, const std::string& where) {
  fail(ErrorCode::kUnsupported, where, ": words are cut by MeCab with the dictionary ",
       json_quote(dictionary),
       ", which is not built in; install Debian's packages libmecab-dev and mecab-ipadic-utf8 and "
       "build with -DTAMIS_MECAB=ON");
}

}  // namespace tamis::tokenizer
