#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "formats/npy.h"
#include "formats/text_reader.h"
#include "math/finite.h"
#include "math/vector_types.h"
#include "model/calibration_texts.h"
#include "tasks/task_json.h"

namespace tamis::cli {

namespace {

/// --dtype and --ranges: what the numbers of a vector are.
struct Numbers {
  math::VectorType type = math::VectorType::kFloat;
  std::optional<std::string> ranges;

  [[nodiscard]] bool of_8_bits() const {
    return type == math::VectorType::kInt8 || type == math::VectorType::kUint8;
  }
  [[nodiscard]] DType dtype() const {
    switch (type) {
      case math::VectorType::kFloat:
        return DType::kF32;
      case math::VectorType::kInt8:
      case math::VectorType::kBinary:
        return DType::kI8;
      case math::VectorType::kUint8:
      case math::VectorType::kUbinary:
        return DType::kU8;
    }
    return DType::kF32;
  }
  [[nodiscard]] ColumnKind column() const {
    if (type == math::VectorType::kFloat) return ColumnKind::kFloat32;
    return dtype() == DType::kI8 ? ColumnKind::kInt8 : ColumnKind::kUint8;
  }
  /// How many there are of a vector.
  [[nodiscard]] int64_t width(int64_t dimensions) const {
    const bool bits = type == math::VectorType::kBinary || type == math::VectorType::kUbinary;
    return bits ? (dimensions + 7) / 8 : dimensions;
  }
};

math::VectorType dtype_flag(const std::string& name) {
  if (name == "float32") return math::VectorType::kFloat;
  const auto type = math::vector_type_from_name(name);
  if (!type) {
    fail(ErrorCode::kInvalidArgument, "--dtype ", name,
         ": known are float32, int8, uint8, binary, ubinary");
  }
  return *type;
}

math::VectorRange read_ranges(const std::string& path, int64_t width) {
  const Tensor rows = read_npy(path);
  if (rows.dtype() != DType::kF32 || rows.shape().rank() != 2 || rows.shape()[0] < 1 ||
      rows.shape()[1] != width) {
    fail(ErrorCode::kInvalidArgument, "--ranges ", path, ": ", rows.shape().to_string(), " of ",
         dtype_name(rows.dtype()), "; it must be rows of ", width, " float32 numbers each");
  }
  const std::span<const float> values = rows.as<float>();
  if (!math::all_finite(values)) {
    fail(ErrorCode::kInvalidArgument, "--ranges ", path, ": a number is not finite");
  }
  return math::range_of(values, static_cast<size_t>(width));
}

/// The ends of each number of 8 bits: of the user's vectors, else of texts that are built in.
math::VectorRange range_for(const api::LoadedModel& model, const ModelFlags& flags,
                            const tasks::EmbedOptions& embed, const Numbers& numbers,
                            int64_t width) {
  if (!numbers.of_8_bits()) return {};
  if (numbers.ranges) return read_ranges(*numbers.ranges, width);
  std::vector<tasks::TaskInput> texts;
  for (const std::string_view text : api::range_texts()) texts.push_back({std::string(text)});
  std::vector<float> rows;
  for (const tasks::TaskResult& result :
       model.run(std::move(texts), embed, flags.max_batch_tokens)) {
    const std::vector<float>& row = std::get<tasks::EmbedResult>(result).embedding;
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return math::range_of(rows, static_cast<size_t>(width));
}

std::string raw_bytes(std::span<const float> row) {
  return {reinterpret_cast<const char*>(row.data()), row.size_bytes()};
}

template <typename Number>
std::string json_line(std::span<const Number> numbers, bool truncated) {
  JsonWriter json;
  json.begin_object().key("embedding").array(numbers);
  if (truncated) json.member("truncated", true);
  json.end_object();
  return json.take() + "\n";
}

// One vector a text, as JSON lines or .npy.
int embed_vectors(const ModelFlags& flags, InputReader&& inputs, const tasks::EmbedOptions& embed,
                  const Numbers& numbers) {
  ResultForm form;
  form.table = table_form(flags.output, {});
  const auto model = api::LoadedModel::load(find_model(flags.model, flags.common),
                                            flags.model_options(tasks::TaskKind::kEmbed));
  const int64_t width = embed.dimensions.value_or(model->manifest().output_size);
  const math::VectorRange range = range_for(*model, flags, embed, numbers, width);
  const bool npy = has_extension(flags.output, ".npy");
  if (form.table) form.table->schema = vector_schema(numbers.column(), numbers.width(width));
  const bool raw = npy || form.table;
  if (npy) form.header = npy_header({inputs.count(), numbers.width(width)}, numbers.dtype());
  form.print = [&](const tasks::TaskResult& result) {
    const auto& own = std::get<tasks::EmbedResult>(result);
    TAMIS_CHECK(static_cast<int64_t>(own.embedding.size()) == width);
    if (!raw && numbers.type == math::VectorType::kFloat) return tasks::to_json(result) + "\n";
    std::string bytes;
    if (numbers.type == math::VectorType::kFloat) {
      bytes = raw_bytes(own.embedding);
    } else {
      const auto quantized = math::quantize_vector(own.embedding, numbers.type, range);
      if (!raw) return json_line<int32_t>(quantized, own.truncated);
      bytes = math::bytes_of(quantized);
    }
    if (!npy) bytes += static_cast<char>(own.truncated);
    return bytes;
  };
  return run_task(*model, flags, inputs, embed, form);
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

tasks::TaskOptions options_of(const Ways& ways) {
  if (ways.all) return side_options<tasks::EmbedAllOptions>(ways);
  if (ways.multi) return side_options<tasks::EmbedMultiOptions>(ways);
  auto sparse = side_options<tasks::EmbedSparseOptions>(ways);
  sparse.top_k = ways.top_k;
  return sparse;
}

void check_ways(const Ways& ways, const tasks::EmbedOptions& dense, const Numbers& numbers) {
  if (numbers.ranges && !numbers.of_8_bits()) {
    fail(ErrorCode::kInvalidArgument, "--ranges is for --dtype int8 and uint8");
  }
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
  if (numbers.type != math::VectorType::kFloat || numbers.ranges) {
    fail(ErrorCode::kInvalidArgument, "--dtype and --ranges are for a text's one vector");
  }
}

}  // namespace

int cmd_embed(const std::vector<std::string>& arguments) {
  Options options(
      "embed",
      "A vector for each text, as JSON lines, .npy, or .parquet and .arrow where they are built "
      "in.",
      "tamis embed build/models/minilm \"A text.\" --output vectors.npy\n  "
      "tamis embed my-model --input texts.jsonl --output vectors.npy --dtype int8 --resume\n  "
      "tamis embed my-splade \"A text.\" --sparse --top-k 20\n  "
      "tamis embed my-colbert \"A question?\" --multi --query");
  ModelFlags flags;
  std::vector<std::string> texts;
  tasks::EmbedOptions embed;
  Ways ways;
  Numbers numbers;
  std::string dtype = "float32";
  bool normalize = false;
  bool no_normalize = false;
  flags.add_to(options);
  options.positional("TEXT", texts, false, "texts to embed");
  options.option("--prompt-name", embed.prompt_name,
                 "a prompt of the model to put before each text");
  options.text("--prompt", embed.prompt, "a prompt as it stands");
  options.option("--dimensions", embed.dimensions,
                 "keep the first so many, then normalize if the model does");
  options.option("--dtype", dtype, "float32, int8, uint8, or signs: binary, ubinary");
  options.option(
      "--ranges", numbers.ranges,
      "a .npy of vectors whose least and greatest numbers are the ends of int8 and uint8 "
      "(default: of built-in texts)");
  options.flag("--normalize", normalize, "unit length, whatever the model says");
  options.flag("--no-normalize", no_normalize,
               "as they are pooled, without the Normalize that the model may have");
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
  numbers.type = dtype_flag(dtype);
  check_ways(ways, embed, numbers);
  ways.prompt_name = embed.prompt_name;
  ways.prompt = embed.prompt;
  InputReader inputs(flags.input, std::move(texts));
  if (ways.dense()) return embed_vectors(flags, std::move(inputs), embed, numbers);
  return run_task_to_json(flags, std::move(inputs), options_of(ways));
}

}  // namespace tamis::cli
