#include "base/error.h"
#include "cli/command.h"

namespace tamis::cli {

int cmd_zero_shot(const std::vector<std::string>& arguments) {
  Options options("zero-shot", "Scores of labels that the model was not trained on, as JSON lines.",
                  "tamis zero-shot my-nli-model \"It rained.\" --label weather --label sport");
  ModelFlags flags;
  std::vector<std::string> texts;
  std::vector<std::string> labels;
  tasks::ZeroShotOptions zero_shot;
  flags.add_to(options);
  options.positional("TEXT", texts, false, "texts to label");
  options.text("--label", labels, "a candidate label (repeatable)");
  options.text("--template", zero_shot.hypothesis_template, "the hypothesis; {} is the label");
  options.flag("--multi-label", zero_shot.multi_label, "each label on its own");
  if (!options.parse(arguments)) return 0;

  if (labels.empty()) fail(ErrorCode::kInvalidArgument, "give at least one --label");
  const auto make = [&labels](const TextRow& row, std::string_view place) {
    tasks::TaskInput item = text_input(row, place);
    item.texts = labels;
    return item;
  };
  return run_task_to_json(flags, InputReader(flags.input, std::move(texts), make), zero_shot);
}

}  // namespace tamis::cli
