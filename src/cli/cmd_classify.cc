#include "base/error.h"
#include "cli/command.h"

namespace tamis::cli {

int cmd_classify(const std::vector<std::string>& arguments) {
  Options options("classify", "Labels for each text, or pair of texts, as JSON lines.",
                  "tamis classify my-model \"A fine film.\" --top-k 1");
  ModelFlags flags;
  std::vector<std::string> texts;
  std::optional<std::string> pair;
  std::optional<std::string> function;
  tasks::ClassifyOptions classify;
  flags.add_to(options);
  options.positional("TEXT", texts, false, "texts to classify");
  options.text("--pair", pair, "the second text of every pair");
  options.option("--top-k", classify.top_k, "only the best labels");
  options.option("--function", function, "softmax, sigmoid or none (default: the model's own)");
  if (!options.parse(arguments)) return 0;

  if (function) {
    classify.function = tasks::score_function_from_name(*function);
    if (!classify.function) {
      fail(ErrorCode::kInvalidArgument, "--function ", *function,
           ": must be softmax, sigmoid or none");
    }
  }
  const auto make = [&pair](const TextRow& row, std::string_view place) {
    tasks::TaskInput item = text_input(row, place);
    add_pair(pair, place, item);
    return item;
  };
  return run_task_to_json(flags, InputReader(flags.input, std::move(texts), make), classify);
}

}  // namespace tamis::cli
