#include "base/error.h"
#include "cli/command.h"
#include "formats/npy.h"
#include "formats/text_reader.h"
#include "tasks/task_json.h"

namespace tamis::cli {

namespace {

// The .npy form: float32 [texts, dimensions].
int embed_to_npy(const ModelFlags& flags, InputReader&& inputs, const tasks::EmbedOptions& embed) {
  const auto model = api::LoadedModel::load(find_model(flags.model, flags.common),
                                            flags.model_options(tasks::TaskKind::kEmbed));
  const int64_t width = embed.dimensions.value_or(model->manifest().output_size);
  OutputSink sink(flags.output);
  sink.write(npy_header({inputs.count(), width}));
  run_task(*model, flags, inputs, embed, [&](size_t, const tasks::TaskResult& result) {
    const std::vector<float>& row = std::get<tasks::EmbedResult>(result).embedding;
    TAMIS_CHECK(static_cast<int64_t>(row.size()) == width);
    sink.write({reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float)});
  });
  sink.finish();
  return 0;
}

/// Which of the ways to embed.
struct Ways {
  bool sparse = false;
  bool multi = false;
  bool all = false;
  bool query = false;
  std::optional<int64_t> top_k;
  std::optional<std::string> prompt_name;
  std::optional<std::string> prompt;

  [[nodiscard]] bool dense() const { return !sparse && !multi && !all; }
};

template <typename Options>
Options side_options(const Ways& ways) {
  Options options;
  options.query = ways.query;
  options.prompt_name = ways.prompt_name;
  options.prompt = ways.prompt;
  return options;
}

tasks::TaskOptions options_of(const Ways& ways, const tasks::EmbedOptions& dense) {
  if (ways.dense()) return dense;
  if (ways.all) return side_options<tasks::EmbedAllOptions>(ways);
  if (ways.multi) return side_options<tasks::EmbedMultiOptions>(ways);
  auto sparse = side_options<tasks::EmbedSparseOptions>(ways);
  sparse.top_k = ways.top_k;
  return sparse;
}

void check_ways(const Ways& ways, const tasks::EmbedOptions& dense, const std::string& output) {
  if (int{ways.sparse} + int{ways.multi} + int{ways.all} > 1) {
    fail(ErrorCode::kInvalidArgument, "--sparse, --multi and --all exclude each other");
  }
  if (ways.top_k && !ways.sparse) {
    fail(ErrorCode::kInvalidArgument, "--top-k is for --sparse");
  }
  if (ways.dense()) {
    if (ways.query) {
      fail(ErrorCode::kInvalidArgument, "--query is for --sparse, --multi and --all");
    }
    return;
  }
  if (dense.normalize || dense.dimensions) {
    fail(ErrorCode::kInvalidArgument,
         "--normalize, --no-normalize and --dimensions are for a text's one vector");
  }
  if (has_extension(output, ".npy")) {
    fail(ErrorCode::kInvalidArgument, "--output ", output,
         ": .npy holds one vector for each text; other ways to embed are written as JSON lines");
  }
}

}  // namespace

int cmd_embed(const std::vector<std::string>& arguments) {
  Options options("embed", "A vector for each text, as JSON lines or .npy.",
                  "tamis embed build/models/minilm \"A text.\" --output vectors.npy\n  "
                  "tamis embed my-splade \"A text.\" --sparse --top-k 20\n  "
                  "tamis embed my-colbert \"A question?\" --multi --query");
  ModelFlags flags;
  std::vector<std::string> texts;
  tasks::EmbedOptions embed;
  Ways ways;
  bool normalize = false;
  bool no_normalize = false;
  flags.add_to(options);
  options.positional("TEXT", texts, false, "texts to embed");
  options.option("--prompt-name", embed.prompt_name,
                 "a prompt of the model to put before each text");
  options.option("--prompt", embed.prompt, "a prompt as it stands");
  options.option("--dimensions", embed.dimensions, "keep the first so many, then normalize");
  options.flag("--normalize", normalize, "unit length, whatever the model says");
  options.flag("--no-normalize", no_normalize, "as the model gives them");
  options.flag("--sparse", ways.sparse, "weights of the vocabulary's tokens (SPLADE, BGE-M3)");
  options.flag("--multi", ways.multi, "a vector for each token (ColBERT, BGE-M3)");
  options.flag("--all", ways.all, "the three ways to embed in one run (BGE-M3)");
  options.flag("--query", ways.query, "the texts ask; else they are documents");
  options.option("--top-k", ways.top_k, "of --sparse only the greatest weights");
  if (!options.parse(arguments)) return 0;

  if (normalize && no_normalize) {
    fail(ErrorCode::kInvalidArgument, "--normalize and --no-normalize exclude each other");
  }
  if (normalize || no_normalize) embed.normalize = normalize;
  check_ways(ways, embed, flags.output);
  ways.prompt_name = embed.prompt_name;
  ways.prompt = embed.prompt;
  InputReader inputs(flags.input, std::move(texts));
  if (has_extension(flags.output, ".npy")) return embed_to_npy(flags, std::move(inputs), embed);
  return run_task_to_json(flags, std::move(inputs), options_of(ways, embed));
}

}  // namespace tamis::cli
