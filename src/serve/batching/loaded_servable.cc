#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "model/runner.h"
#include "model/self_test.h"
#include "serve/batching/servable.h"

namespace tamis::serve {

namespace {

constexpr std::string_view kTokenEmbeddings = "token_embeddings";

class LoadedServable final : public Servable {
 public:
  LoadedServable(std::string source, std::shared_ptr<const api::LoadedModel> model)
      : model_(std::move(model)) {
    const api::Manifest& manifest = model_->manifest();
    info_.source = std::move(source);
    info_.family = manifest.family;
    info_.precision = engine::precision_name(manifest.precision);
    info_.padded = model_->runner().info().padded;
    info_.limits = model_->runner().info().limits;
    info_.task = model_->task();
    info_.max_length = manifest.max_length;
    info_.output_size = manifest.output_size;
    info_.hidden_size = manifest.hidden_size;
    const api::GraphFacts& facts = model_->facts();
    info_.weight_bytes =
        model_->is_opaque() ? model_->runner().info().memory_bytes : facts.constant_bytes;
    info_.pooling = facts.pooling;
    info_.labels = manifest.labels;
    info_.reads_labels = model_->has_tokenizer() && model_->task_model().span_labels.has_value();
    info_.checkpoint = !model_->is_bundle();
    if (model_->int8_agreement() != nullptr) info_.int8_agreement = *model_->int8_agreement();
    info_.has_token_embeddings = std::find(facts.outputs.begin(), facts.outputs.end(),
                                           kTokenEmbeddings) != facts.outputs.end();
  }

  const ServableInfo& info() const override { return info_; }
  const tasks::TaskModel* task_model() const override {
    return model_->has_tokenizer() ? &model_->task_model() : nullptr;
  }

  tasks::Encoded encode(tasks::TaskInput input, tasks::TaskOptions options,
                        int64_t most_tokens) const override {
    return model_->encode(std::move(input), std::move(options), most_tokens);
  }

  void check_task(tasks::TaskKind task) const override { model_->check_task(task); }

  tasks::TaskResult decode(const tasks::Encoded& encoded,
                           std::span<const tasks::OutputView> outputs) const override {
    return tasks::decode(encoded, outputs, model_->task_model());
  }

  std::vector<OutputInfo> outputs(OutputSet set) override {
    std::vector<OutputInfo> infos;
    for (const engine::EngineOutput& output : runner(set).info().outputs) {
      infos.push_back({output.name, output.width, output.unit});
    }
    return infos;
  }

  void run(const engine::PackedBatch& batch, OutputSet set, engine::Outputs& outputs,
           const engine::RunControl& control) override {
    runner(set).run(batch, outputs, control);
  }

  void check_row(const Row& row) const override {
    const tasks::Sequence& sequence = row.sequence;
    const auto size = static_cast<int32_t>(sequence.ids.size());
    if (size == 0) fail(ErrorCode::kInvalidArgument, "a sequence has no tokens; one is the least");
    const int32_t borders[] = {0, size};
    auto limits = model_->runner().info().limits;
    // Where no tokenizer has a limit of its own it is the model's, which may lie in no table: an
    // imported window that longer texts reach.
    if (!model_->has_tokenizer() && info_.max_length > 0) {
      limits.max_seqlen = std::min(limits.max_seqlen, info_.max_length);
    }
    engine::check_batch({sequence.ids, sequence.type_ids, row.positions, borders, {}, size},
                        limits);
  }

  int32_t first_position() const override {
    return static_cast<int32_t>(model_->runner().info().limits.first_position);
  }
  bool counts_distances() const override { return model_->runner().info().limits.counts_distances; }

 private:
  // The engine with token_embeddings costs memory for another copy of packed weights: it is made,
  // from the files, when someone first asks for it.
  api::Runner& runner(OutputSet set) {
    if (set == OutputSet::kTask) return model_->runner();
    if (!info_.has_token_embeddings) {
      fail(ErrorCode::kUnsupported, info_.source, ": the model gives no token embeddings");
    }
    const std::lock_guard lock(mutex_);
    if (tokens_runner_ == nullptr) {
      tokens_runner_ = model_->make_runner(
          {std::string(tasks::task_output(model_->task())), std::string(kTokenEmbeddings)});
    }
    return *tokens_runner_;
  }

  std::shared_ptr<const api::LoadedModel> model_;
  ServableInfo info_;
  std::mutex mutex_;
  std::unique_ptr<api::Runner> tokens_runner_;
};

}  // namespace

std::unique_ptr<Servable> load_servable(const std::string& model, const api::ModelOptions& options,
                                        const hub::PullOptions& pull) {
  api::ModelOptions lean = options;
  lean.keep_graph = false;
  auto loaded = api::LoadedModel::load(api::resolve_model(model, pull), lean);
  // A checkpoint has no recorded answers; that it answers at all, and finitely, is its self-test.
  const api::SelfTest test = api::make_self_test(*loaded);
  for (const api::SelfTestCase& item : test.cases) {
    const bool finite = std::all_of(item.output.begin(), item.output.end(),
                                    [](float value) { return value - value == 0; });
    if (!finite) {
      fail(ErrorCode::kCorruptData, model,
           ": the self-test's answer has numbers that are not finite");
    }
  }
  return std::make_unique<LoadedServable>(model, std::move(loaded));
}

}  // namespace tamis::serve
