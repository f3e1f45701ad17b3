#include "base/error.h"
#include "cli/command.h"

namespace tamis::cli {

int cmd_rerank(const std::vector<std::string>& arguments) {
  Options options("rerank", "Texts sorted by how well they answer a query, as JSON lines.",
                  "tamis rerank my-model --query \"What is a sieve?\" \"A mesh.\" \"A fish.\"");
  ModelFlags flags;
  std::vector<std::string> texts;
  std::optional<std::string> query;
  tasks::RerankOptions rerank;
  flags.add_to(options);
  options.positional("TEXT", texts, false, "texts to rank");
  options.text("--query", query, "what they should answer");
  options.option("--top-k", rerank.top_k, "only the best texts");
  options.flag("--raw-scores", rerank.raw_scores, "the model's logits as they are");
  if (!options.parse(arguments)) return 0;

  if (query) {
    tasks::TaskInput item;
    item.text = *query;
    for (const TextRow& row : read_rows(flags.input, texts)) {
      const std::string place = place_of(flags.input, row);
      if (row.query || row.text_pair) {
        fail(ErrorCode::kInvalidArgument, place, place.empty() ? "" : ": ", "has a ",
             row.query ? "query" : "text_pair",
             ", but the query is --query's; give rows of a text");
      }
      item.texts.push_back(text_input(row, place).text);
    }
    return run_task_to_json(flags, InputReader(std::move(item)), rerank);
  }
  if (!flags.input) {
    fail(ErrorCode::kInvalidArgument,
         "give --query and texts, or --input with rows of query and texts");
  }
  const auto make = [](const TextRow& row, std::string_view place) {
    if (!row.query) fail(ErrorCode::kInvalidArgument, place, ": needs query and texts");
    return tasks::TaskInput{*row.query, std::nullopt, row.texts};
  };
  return run_task_to_json(flags, InputReader(flags.input, std::move(texts), make), rerank);
}

}  // namespace tamis::cli
