// Tokenizer::load: a checkpoint folder to a Tokenizer.
#include "base/error.h"
#include "base/file.h"
#include "tokenizer/tokenizer_impl.h"

namespace tamis::tokenizer {

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  const auto path = folder / "tokenizer.json";
  if (!file_exists(path)) {
    fail(ErrorCode::kNotFound, folder.string(), ": no tokenizer.json");
  }
  return load_json(read_file(path), path.string());
}

}  // namespace tamis::tokenizer
