#include "cli/command.h"

namespace tamis::cli {

int cmd_fill_mask(const std::vector<std::string>& arguments) {
  Options options("fill-mask", "Words for the masks of each text, as JSON lines.",
                  "tamis fill-mask my-model \"Paris is the [MASK] of France.\"");
  ModelFlags flags;
  std::vector<std::string> texts;
  tasks::FillMaskOptions fill;
  flags.add_to(options);
  options.positional("TEXT", texts, false, "texts with at least one mask token");
  options.option("--top-k", fill.top_k, "words a mask");
  options.text("--target", fill.targets, "only these words (repeatable)");
  if (!options.parse(arguments)) return 0;

  return run_task_to_json(flags, InputReader(flags.input, std::move(texts)), fill);
}

}  // namespace tamis::cli
