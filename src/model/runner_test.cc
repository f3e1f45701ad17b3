#include "model/runner.h"

#include "engine/engine.h"
#include "model/test_util.h"

namespace tamis::api {
namespace {

// Beside the engine's own limit: of batches that are packed here, and of those that are handed in.
TEST(Runner, TakesNoSequenceBeyondItsLimit) {
  const auto model = load_checkpoint("models/bert-base");
  std::vector<tasks::Encoded> inputs;
  for (const TaskInput& input : example_inputs(*model)) {
    inputs.push_back(model->encode(input, tasks::default_options(model->task())));
  }
  int64_t longest = 0;
  for (const tasks::Encoded& encoded : inputs) {
    for (const tasks::Sequence& sequence : encoded.sequences) {
      longest = std::max(longest, static_cast<int64_t>(sequence.size()));
    }
  }
  engine::EngineOptions options;
  options.pool = std::make_shared<ThreadPool>(1);
  options.outputs = {std::string(tasks::task_output(model->task()))};
  const auto run = [&](int64_t most) {
    Runner runner(engine::make_engine(model->graph(), options), options.pool, most);
    EXPECT_EQ(runner.info().limits.max_seqlen,
              most == 0 ? runner.engine().info().limits.max_seqlen : most);
    runner.run(inputs, 64, [](size_t, std::span<const tasks::OutputView>) {});
    engine::BatchBuilder batch;
    batch.append(inputs.front().sequences.front().view());
    engine::Outputs outputs;
    runner.run(batch.batch(), outputs);
  };
  run(0);
  run(longest);
  expect_error(ErrorCode::kInvalidArgument, "tokens", [&] { run(longest - 1); });
  expect_error(ErrorCode::kInvalidArgument, "tokens", [&] { run(1); });
}

}  // namespace
}  // namespace tamis::api
