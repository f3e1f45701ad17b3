// A checkpoint with any of its files written over, to one answer: through tokenizer, passes, plan
// and kernels. What stands before the first file names the checkpoint of testdata/models.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "folder.h"
#include "model/loaded_model.h"

namespace {

constexpr std::string_view kCheckpoints[] = {"bert-base",
                                             "roberta-base",
                                             "modernbert-base",
                                             "mpnet-base",
                                             "deberta-v2-base",
                                             "nomic_bert-base",
                                             "qwen3-base",
                                             "gemma3_text-base",
                                             "t5-base",
                                             "bert-rerank",
                                             "bert-token-classification"};

std::filesystem::path checkpoint_of(std::string_view head) {
  for (const std::string_view name : kCheckpoints) {
    if (head.find(name) != head.npos)
      return std::filesystem::path(TAMIS_TESTDATA) / "models" / name;
  }
  return std::filesystem::path(TAMIS_TESTDATA) / "models" / kCheckpoints[0];
}

void answer(const std::filesystem::path& folder) {
  static const auto pool = std::make_shared<tamis::ThreadPool>(1);
  tamis::api::ModelOptions options;
  options.pool = pool;
  const auto model =
      tamis::api::LoadedModel::load({folder, tamis::api::ModelKind::kCheckpoint}, options);
  const auto task = model->task();
  if (model->manifest().max_length > 4096) return;  // a long answer is no fault
  static_cast<void>(
      model->run({{"A fine sieve."}}, tamis::tasks::default_options(task), int64_t{512}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tamis::set_log_sink([](tamis::LogLevel, std::string_view) {});
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  tamis::fuzz::Folder folder;
  const auto checkpoint = checkpoint_of(tamis::fuzz::Folder::head_of(input));
  for (const auto& entry : std::filesystem::directory_iterator(checkpoint)) {
    if (entry.is_regular_file()) {
      std::filesystem::copy(entry.path(), folder.path() / entry.path().filename());
    }
  }
  folder.unpack(input);
  try {
    answer(folder.path());
  } catch (const tamis::Error& error) {
    if (error.code() == tamis::ErrorCode::kInternal) throw;
  }
  return 0;
}
