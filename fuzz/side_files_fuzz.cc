// Any files of a folder as those beside the weights: sentence-transformers' modules, an adapter's
// config, GLiNER's, and a tokenizer with what decides over it. Each is read, or refused by name.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "folder.h"
#include "formats/gliner_config.h"
#include "formats/sentence_transformers.h"
#include "tokenizer/tokenizer.h"

namespace {

template <typename Action>
void allow_refusal(Action action) {
  try {
    action();
  } catch (const tamis::Error& error) {
    // A bug of ours is kInternal.
    if (error.code() == tamis::ErrorCode::kInternal) throw;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tamis::set_log_sink([](tamis::LogLevel, std::string_view) {});
  tamis::fuzz::Folder folder;
  folder.unpack({reinterpret_cast<const char*>(data), size});
  allow_refusal([&] {
    const tamis::SentenceTransformerConfig config = tamis::read_sentence_transformer(folder.path());
    TAMIS_CHECK(!config.has_modules || !config.transformer_folder.empty() || config.sparse);
  });
  allow_refusal([&] {
    if (!tamis::is_gliner(folder.path())) return;
    const tamis::ConfigFields fields = tamis::read_gliner_fields(folder.path());
    TAMIS_CHECK(tamis::GlinerConfig::of(fields).max_width > 0);
    (void)tamis::read_gliner_encoder(fields, folder.path(), "");
  });
  allow_refusal([&] {
    const auto tokenizer = tamis::tokenizer::Tokenizer::load(folder.path());
    const auto encoding = tokenizer.encode("A fine sieve. \xC3\xA9");
    TAMIS_CHECK(encoding.ids.size() < 4096);
  });
  return 0;
}
