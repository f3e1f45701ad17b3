#include "base/error.h"
#include "cli/command.h"

namespace tamis::cli {

int cmd_ner(const std::vector<std::string>& arguments) {
  Options options("ner", "The entities in each text, as JSON lines.",
                  "tamis ner my-model \"Ada Lovelace lived in London.\"");
  ModelFlags flags;
  std::vector<std::string> texts;
  std::string aggregation = "simple";
  std::vector<std::string> ignore;
  std::optional<double> threshold;
  tasks::NerOptions ner;
  flags.add_to(options);
  options.positional("TEXT", texts, false, "texts to search");
  options.option("--aggregation", aggregation, "none, simple, first, average or max");
  options.text("--ignore-label", ignore, "a label to leave out (repeatable; default O)");
  options.option("--stride", ner.stride,
                 "tokens that windows of a long text share (default: one window)");
  options.text("--label", ner.labels,
               "what to look for, with a model that reads labels (GLiNER; repeatable)");
  options.option("--threshold", threshold, "with --label: least probability (default 0.5)");
  options.flag("--nested", ner.nested, "with --label: entities may lie inside one another");
  options.flag("--multi-label", ner.multi_label,
               "with --label: words may be an entity under several labels");
  if (!options.parse(arguments)) return 0;

  const auto found = tasks::aggregation_from_name(aggregation);
  if (!found) {
    fail(ErrorCode::kInvalidArgument, "--aggregation ", aggregation,
         ": must be none, simple, first, average or max");
  }
  ner.aggregation = *found;
  if (!ignore.empty()) ner.ignore_labels = ignore;
  if (threshold) ner.threshold = static_cast<float>(*threshold);
  return run_task_to_json(flags, InputReader(flags.input, std::move(texts)), ner);
}

}  // namespace tamis::cli
