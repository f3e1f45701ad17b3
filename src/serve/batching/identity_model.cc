#include <cstring>

#include "base/error.h"
#include "serve/batching/servable.h"

namespace tamis::serve {

namespace {

// Numbers in an answer: the number of tokens, the first, the last, and their sum.
constexpr int64_t kWidth = 4;

class IdentityModel final : public Servable {
 public:
  IdentityModel() {
    info_.source = "identity";
    info_.family = "identity";
    info_.precision = "fp32";
    info_.max_length = 512;
    info_.output_size = kWidth;
    info_.hidden_size = kWidth;
  }

  const ServableInfo& info() const override { return info_; }
  const tasks::TaskModel* task_model() const override { return nullptr; }

  // A token is a byte of the text.
  void check_task(tasks::TaskKind task) const override {
    if (task != tasks::TaskKind::kEmbed) {
      fail(ErrorCode::kUnsupported, "the identity model only embeds");
    }
  }

  tasks::Encoded encode(tasks::TaskInput input, tasks::TaskOptions options,
                        int64_t) const override {
    check_task(tasks::kind_of(options));
    tasks::Encoded encoded;
    encoded.truncated = static_cast<int64_t>(input.text.size()) > info_.max_length;
    const std::string_view text =
        std::string_view(input.text).substr(0, static_cast<size_t>(info_.max_length));
    tasks::Sequence sequence;
    for (const char c : text) sequence.ids.push_back(static_cast<uint8_t>(c));
    if (sequence.ids.empty()) sequence.ids.push_back(0);
    encoded.sequences.push_back(std::move(sequence));
    encoded.windows.emplace_back();
    encoded.input = std::move(input);
    encoded.options = std::move(options);
    return encoded;
  }

  tasks::TaskResult decode(const tasks::Encoded& encoded,
                           std::span<const tasks::OutputView> outputs) const override {
    tasks::EmbedResult result;
    const std::span<const float> row = outputs.front().tensor.as<float>();
    result.embedding.assign(row.begin(), row.end());
    result.truncated = encoded.truncated;
    return result;
  }

  std::vector<OutputInfo> outputs(OutputSet set) override {
    if (set == OutputSet::kTokens) {
      fail(ErrorCode::kUnsupported, "the identity model gives no token embeddings");
    }
    return {{"sentence_embedding", kWidth, engine::RowUnit::kSequence}};
  }

  void run(const engine::PackedBatch& batch, OutputSet, engine::Outputs& outputs,
           const engine::RunControl&) override {
    const int64_t rows = batch.sequences();
    std::byte* out = outputs.prepare(0, "sentence_embedding", rows, kWidth);
    outputs.truncate(1);
    for (int64_t r = 0; r < rows; ++r) {
      const auto begin = static_cast<size_t>(batch.cu_seqlens[static_cast<size_t>(r)]);
      const auto end = static_cast<size_t>(batch.cu_seqlens[static_cast<size_t>(r) + 1]);
      int64_t sum = 0;
      for (size_t i = begin; i < end; ++i) sum += batch.input_ids[i];
      const float row[kWidth] = {
          static_cast<float>(end - begin), static_cast<float>(batch.input_ids[begin]),
          static_cast<float>(batch.input_ids[end - 1]), static_cast<float>(sum)};
      std::memcpy(out + static_cast<size_t>(r) * sizeof(row), row, sizeof(row));
    }
  }

  void check_row(const Row& row) const override {
    const auto size = static_cast<int64_t>(row.sequence.ids.size());
    if (size == 0 || size > info_.max_length) {
      fail(ErrorCode::kInvalidArgument, "a sequence has ", size, " tokens, must have 1..",
           info_.max_length);
    }
  }

  int32_t first_position() const override { return 0; }

 private:
  ServableInfo info_;
};

}  // namespace

std::unique_ptr<Servable> make_identity_model() { return std::make_unique<IdentityModel>(); }

}  // namespace tamis::serve
