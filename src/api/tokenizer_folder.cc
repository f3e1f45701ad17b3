#include "api/tokenizer_folder.h"

#include <tamis/tokenizer.h>

#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/files/staged_folder.h"
#include "base/length_limit.h"
#include "model/bundle.h"
#include "model/input_error.h"
#include "tasks/task.h"

namespace tamis {

namespace fs = std::filesystem;
using tasks::TaskKind;

namespace {

constexpr std::string_view kManifest = "tamis.json";
constexpr std::string_view kTokenizer = "tokenizer.json";
constexpr std::string_view kTokenizerConfig = "tokenizer_config.json";

// A window is as long as is asked, and never cut: what does not fit is refused by one_row(), so
// windows need not share tokens.
void set_window(const Truncation& truncation, int64_t longest, tasks::QaOptions& options) {
  if (truncation.side) {
    fail(ErrorCode::kUnsupported, "a side to truncate is not for qa, whose context is not cut");
  }
  options.doc_stride = 0;
  if (truncation.max_length == 0) return;
  options.max_seq_len = tighter_limit(truncation.max_length, longest);
}

tasks::TaskOptions task_options(TaskKind task, int64_t longest, const TokenizeOptions& options) {
  tasks::TaskOptions made = tasks::default_options(api::encoded_as(task));
  const bool prompted = options.prompt || options.prompt_name;
  std::visit(
      [&](auto& own) {
        if constexpr (requires { own.truncation; }) {
          own.truncation = options.truncation;
        } else {
          set_window(options.truncation, longest, own);
        }
        if constexpr (requires { own.prompt; }) {
          own.prompt = options.prompt;
          own.prompt_name = options.prompt_name;
        } else if (prompted) {
          fail(ErrorCode::kUnsupported, "a prompt is for models that embed, not for ",
               tasks::task_name(task));
        }
      },
      made);
  return made;
}

TokenIds one_row(tasks::Encoded encoded) {
  if (encoded.sequences.size() != 1) {
    fail(ErrorCode::kInvalidArgument, "the text is read in ", encoded.sequences.size(),
         " windows; send one that fits into one");
  }
  tasks::Sequence& sequence = encoded.sequences.front();
  return {std::move(sequence.ids), std::move(sequence.type_ids)};
}

}  // namespace

struct Tokenizer::Impl {
  api::Manifest manifest;
  tokenizer::Tokenizer tokenizer;
  tasks::TaskModel model;
};

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::string& folder) {
  const fs::path path = settled_folder(folder);
  const fs::path manifest = path / kManifest;
  if (!file_exists(manifest)) {
    fail(ErrorCode::kNotFound, path.string(), ": holds no ", kManifest,
         "; a tokenizer is read from a bundle (`tamis optimize`) or from what `tamis export "
         "--format triton` writes");
  }
  auto impl =
      std::make_shared<Impl>(Impl{api::parse_manifest(read_file(manifest), manifest.string()),
                                  tokenizer::Tokenizer::load(path, {.as_written = true}),
                                  {}});
  impl->model = api::task_model(impl->manifest);
  impl->model.tokenizer = &impl->tokenizer;
  return Tokenizer(std::move(impl));
}

TokenizerInfo Tokenizer::info() const {
  TokenizerInfo info;
  info.task = tasks::task_name(impl_->manifest.task);
  info.max_length = impl_->manifest.max_length;
  info.pad_id = impl_->tokenizer.special_ids().pad.value_or(0);
  info.uses_type_ids = impl_->manifest.uses_type_ids;
  info.needs_pair = api::needs_pair(impl_->manifest, impl_->manifest.task);
  return info;
}

std::vector<TokenIds> Tokenizer::encode(const std::vector<TaskInput>& inputs,
                                        const TokenizeOptions& options) const {
  const tasks::TaskOptions made =
      task_options(impl_->manifest.task, impl_->model.max_length, options);
  std::vector<TokenIds> rows;
  rows.reserve(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    try {
      rows.push_back(one_row(tasks::encode(inputs[i], made, impl_->model)));
    } catch (const Error& error) {
      throw InputError(i, inputs.size(), error);
    }
  }
  return rows;
}

namespace api {

TaskKind encoded_as(TaskKind task) {
  return task == TaskKind::kRerank || task == TaskKind::kZeroShot ? TaskKind::kClassify : task;
}

void write_tokenizer_folder(const fs::path& folder, const LoadedModel& model) {
  write_file(folder / kTokenizer, model.tokenizer().to_json());
  write_file(folder / kTokenizerConfig, model.tokenizer().config_json());
  Manifest manifest = model.manifest();
  manifest.task = model.task();
  const std::array names = {std::string(kTokenizer), std::string(kTokenizerConfig)};
  manifest.files = record_files(folder, names);
  write_file(folder / kManifest, write_manifest(manifest));
}

}  // namespace api

}  // namespace tamis
