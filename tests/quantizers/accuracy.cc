// Measures what each treatment gives on a real model: the table of docs/quantization.md.
//
// usage: quantization_accuracy MODEL CALIBRATION DATA [scheme [rows [texts [recipe]]]]
// DATA with pairs and scores: cosine to fp32 and Spearman; otherwise flips and KL of logits.
#include <chrono>
#include <cstdio>

#include "base/error.h"
#include "engine/batch_builder.h"
#include "engine/engine.h"
#include "formats/text_data.h"
#include "math/agreement.h"
#include "models/models.h"
#include "passes/pipeline.h"
#include "quant/centre_attention.h"
#include "quant/equalize_values.h"
#include "quant/marks.h"
#include "quant/plain_plan.h"
#include "quant/quantize.h"
#include "tokenizer/tokenizer.h"

namespace tamis {
namespace {

struct Texts {
  engine::BatchBuilder builder;

  void add(const tokenizer::Tokenizer& tokenizer, const std::string& text) {
    tokenizer::EncodeOptions options;
    options.max_length = 256;
    const tokenizer::Encoding encoding = tokenizer.encode(text, options);
    builder.append({encoding.ids, encoding.type_ids, {}, {}});
  }
  [[nodiscard]] engine::PackedBatch batch() const { return builder.batch(); }
};

// Text for calibration: every row's texts, `count` rows evenly spaced.
Texts calibration_texts(const tokenizer::Tokenizer& tokenizer, const std::string& file,
                        size_t count) {
  const std::vector<TextRow> rows = read_text_data(file);
  Texts texts;
  count = std::min(count, rows.size());
  for (size_t i = 0; i < count; ++i) {
    texts.add(tokenizer, rows[i * rows.size() / count].text.value_or(""));
  }
  return texts;
}

struct Evaluation {
  Texts texts;
  std::vector<double> scores;  // of pairs
  std::vector<std::string> labels;
};

Evaluation evaluation_texts(const tokenizer::Tokenizer& tokenizer, const std::string& file,
                            size_t most) {
  Evaluation data;
  for (const TextRow& row : read_text_data(file)) {
    if (data.scores.size() >= most || data.labels.size() >= most) break;
    data.texts.add(tokenizer, row.text.value_or(""));
    if (row.text_pair) {
      data.texts.add(tokenizer, *row.text_pair);
      data.scores.push_back(row.score.value_or(0));
    } else {
      data.labels.push_back(row.label.value_or(""));
    }
  }
  return data;
}

std::vector<std::vector<float>> run(const graph::Graph& graph, const Texts& texts,
                                    ThreadPool& pool) {
  engine::EngineOptions options;
  options.simulate = true;
  options.pool = engine::borrow(pool);
  for (const graph::GraphOutput& output : graph.outputs()) {
    if (output.name != "token_embeddings") options.outputs.push_back(output.name);
  }
  const auto session = engine::make_engine(graph, options)->make_session();
  engine::Outputs outputs;
  session->run(texts.batch(), outputs);
  const TensorView view = outputs.view(0);
  const auto width = static_cast<size_t>(view.shape()[1]);
  std::vector<std::vector<float>> rows;
  for (size_t i = 0; i < static_cast<size_t>(view.shape()[0]); ++i) {
    const auto row = view.as<float>().subspan(i * width, width);
    rows.emplace_back(row.begin(), row.end());
  }
  return rows;
}

double spearman_of(const std::vector<std::vector<float>>& rows, const std::vector<double>& scores) {
  std::vector<double> similarities;
  for (size_t i = 0; i + 1 < rows.size(); i += 2) {
    similarities.push_back(math::cosine(rows[i], rows[i + 1]));
  }
  return 100 * math::spearman(similarities, scores);
}

void print_agreement(const char* name, double seconds, const Evaluation& data,
                     const std::vector<std::vector<float>>& reference,
                     const std::vector<std::vector<float>>& other) {
  if (!data.scores.empty()) {
    std::vector<double> cosines;
    for (size_t i = 0; i < reference.size(); ++i) {
      cosines.push_back(math::cosine(reference[i], other[i]));
    }
    double off = 0;
    for (const double c : cosines) off += (1 - c) / static_cast<double>(cosines.size());
    std::printf("%-36s %6.1fs cosine median %.5f p01 %.5f mean(1-cos) %.2fe-4 spearman %.2f\n",
                name, seconds, math::quantile(cosines, 0.5), math::quantile(cosines, 0.01),
                1e4 * off, spearman_of(other, data.scores));
  } else {
    double flips = 0;
    double kl = 0;
    double right = 0;
    for (size_t i = 0; i < reference.size(); ++i) {
      flips += math::argmax_flips(reference[i], other[i]) ? 1 : 0;
      kl += math::softmax_kl(reference[i], other[i]);
      const bool one = other[i][1] > other[i][0];
      right += data.labels[i] == (one ? "1" : "0") ? 1 : 0;
    }
    const auto n = static_cast<double>(reference.size());
    std::printf("%-36s %6.1fs flips %.2f %% KL %.2e accuracy %.2f\n", name, seconds,
                100 * flips / n, kl / n, 100 * right / n);
  }
  std::fflush(stdout);
}

struct Recipe {
  const char* name;
  quant::Treatments treatments;
  quant::OutlierCounts outliers;
};

std::vector<Recipe> recipes() {
  const quant::Treatments none{false, false, false, false, false};
  quant::Treatments scaled = none;
  scaled.scale_and_shift = scaled.bias_correction = true;
  quant::Treatments optimized = scaled;
  optimized.optimize_scale = true;
  quant::Treatments gptq = optimized;
  gptq.gptq = true;
  quant::Treatments columns = scaled;
  columns.outlier_columns = true;
  return {
      {"plain", none, {}},
      {"R1 closed form + BC", scaled, {}},
      {"R2 optimized + BC", optimized, {}},
      {"R3 = R2 + GPTQ", gptq, {}},
      {"R5 columns 2,0,2,4 + closed form + BC", columns, {}},
      {"R4 all, columns 1,0,1,2", {}, {1, 0, 1, 2}},
      {"R4 all, columns 2,0,2,4", {}, {2, 0, 2, 4}},
      {"R4 all, columns 4,4,4,8", {}, {4, 4, 4, 8}},
  };
}

int measure(const std::vector<std::string>& arguments) {
  const std::string& folder = arguments[0];
  const tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::load(folder);
  const auto checkpoint = Checkpoint::open(folder);
  graph::Graph graph = models::build_model(*checkpoint).graph;
  const auto number = [&](size_t i, size_t otherwise) {
    return arguments.size() > i ? std::stoul(arguments[i]) : otherwise;
  };
  const std::string named = arguments.size() > 3 ? arguments[3] : "native";
  const auto form = value_named(quant::kSchemeForms, named);
  if (!form) {
    fail(ErrorCode::kInvalidArgument, "scheme ", named, ": must be ",
         names_in(quant::kSchemeForms));
  }
  quant::add_marks(graph, form->scheme);
  const std::string attention[] = {"*.matmul_quantizer_*"};
  if (form->tensorrt) quant::apply_globs(graph, attention, {});
  passes::run_pipeline(graph);
  ThreadPool pool(2);
  const Texts calibration = calibration_texts(tokenizer, arguments[1], number(5, 250));
  const Evaluation data = evaluation_texts(tokenizer, arguments[2], number(4, 1000000));
  graph::Graph plain = graph;
  for (graph::Node& node : plain.nodes()) node.quantizers.clear();
  const auto reference = run(plain, data.texts, pool);
  print_agreement("fp32", 0, data, reference, reference);
  const std::string wanted = arguments.size() > 6 ? arguments[6] : "";
  for (const Recipe& recipe : recipes()) {
    if (std::string(recipe.name).find(wanted) == std::string::npos) continue;
    quant::QuantizeOptions options;
    options.treatments = recipe.treatments;
    options.outliers = recipe.outliers;
    options.tensorrt = form->tensorrt;
    const engine::PackedBatch batches[] = {calibration.batch()};
    const auto start = std::chrono::steady_clock::now();
    graph::Graph source = graph;
    if (options.tensorrt) {
      quant::centre_attention(source, batches[0], pool);
      quant::equalize_values(source, batches[0], pool);
    }
    const quant::Quantized made = quant::quantize(source, batches, options, pool);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    print_agreement(recipe.name, took.count(), data, reference, run(made.graph, data.texts, pool));
  }
  return 0;
}

}  // namespace
}  // namespace tamis

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(
        stderr,
        "usage: quantization_accuracy MODEL CALIBRATION DATA [scheme [rows [texts [recipe]]]]\n");
    return 2;
  }
  try {
    return tamis::measure({argv + 1, argv + argc});
  } catch (const tamis::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
