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

}  // namespace

int cmd_embed(const std::vector<std::string>& arguments) {
  Options options("embed", "A vector for each text, as JSON lines or .npy.",
                  "tamis embed build/models/minilm \"A text.\" --output vectors.npy");
  ModelFlags flags;
  std::vector<std::string> texts;
  tasks::EmbedOptions embed;
  bool normalize = false;
  bool no_normalize = false;
  flags.add_to(options);
  options.positional("TEXT", texts, false, "texts to embed");
  options.option("--prompt-name", embed.prompt_name,
                 "a prompt of the model to put before each text");
  options.option("--prompt", embed.prompt, "a prompt as it stands");
  options.option("--dimensions", embed.dimensions, "keep the first so many, then normalise");
  options.flag("--normalize", normalize, "unit length, whatever the model says");
  options.flag("--no-normalize", no_normalize, "as the model gives them");
  if (!options.parse(arguments)) return 0;

  if (normalize && no_normalize) {
    fail(ErrorCode::kInvalidArgument, "--normalize and --no-normalize exclude each other");
  }
  if (normalize || no_normalize) embed.normalize = normalize;
  InputReader inputs(flags.input, std::move(texts));
  if (has_extension(flags.output, ".npy")) return embed_to_npy(flags, std::move(inputs), embed);
  return run_task_to_json(flags, std::move(inputs), embed);
}

}  // namespace tamis::cli
