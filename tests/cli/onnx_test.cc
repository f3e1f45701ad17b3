// .onnx files through the program: written, and read wherever a model is named.
#include <gtest/gtest.h>

#include "base/file.h"
#include "graph/testing/unnamed.h"
#include "tests/cli/tamis_program.h"
#include "tests/support/test_paths.h"

namespace tamis::cli_test {
namespace {

namespace fs = std::filesystem;

const std::string kClassifier = testdata("models/bert-sequence-classification");

/// An export of the classifier, made once.
const std::string& exported() {
  static const TempFolder folder;
  static const std::string path = [] {
    std::string made = folder / "exported";
    const Outcome outcome = tamis({"export", kClassifier, "--format", "onnx", "-o", made});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("model.onnx: "), std::string::npos) << outcome.out;
    return made;
  }();
  return path;
}

std::string answer(const std::string& command, const std::string& model) {
  const Outcome outcome = tamis({command, model, "A fine film.", "Où est-il ? 42"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return outcome.out;
}

TEST(CliOnnx, AnswersAsTheCheckpoint) {
  EXPECT_EQ(answer("classify", exported()), answer("classify", kClassifier));
  EXPECT_EQ(answer("classify", exported() + "/model.onnx"), answer("classify", kClassifier));
  using graph::testing::unnamed;
  EXPECT_TRUE(unnamed(tamis({"inspect", exported(), "--graph"}).out) ==
              unnamed(tamis({"inspect", kClassifier, "--graph"}).out));
  EXPECT_EQ(tamis({"inspect", exported(), "--quantizers"}).out,
            tamis({"inspect", kClassifier, "--quantizers"}).out);
}

// A family and an adapter change what is read, or are refused; never passed over.
TEST(CliOnnx, ReadsACheckpointAsTheFamilyThatIsNamed) {
  const TempFolder folder;
  const std::string source = folder / "source";
  fs::copy(kClassifier, source);
  std::string config = read_file(source + "/config.json");
  const size_t at = config.find("\"bert\"");
  ASSERT_NE(at, config.npos);
  folder.write("source/config.json", config.replace(at, 6, "\"my-bert\""));
  const std::vector<std::string> plain = {"export", source, "-o", folder / "out"};
  EXPECT_EQ(tamis(plain).status, 5);
  std::vector<std::string> named = plain;
  named.insert(named.end(), {"--family", "bert"});
  const Outcome outcome = tamis(named);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(read_file(folder / "out/model.onnx"), read_file(exported() + "/model.onnx"));
  for (const std::string& model : {exported() + "/model.onnx", testdata("bundles/format-2")}) {
    for (const char* format : {"onnx", "onnx-qdq", "triton"}) {
      const Outcome refused =
          tamis({"export", model, "--format", format, "--adapter", "a", "-o", folder / "none"});
      EXPECT_EQ(refused.status, 2);
      EXPECT_NE(refused.err.find("--adapter a: --family and --adapter are for checkpoints"),
                std::string::npos)
          << refused.err;
    }
  }
  EXPECT_EQ(tamis({"export", kClassifier, "--adapter", "none", "-o", folder / "none"}).status, 4);
  EXPECT_FALSE(fs::exists(folder / "none"));
}

TEST(CliOnnx, RefusesFlagsOfARepository) {
  const TempFolder folder;
  for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
           {"--response-cache"}, {"--name", "m"}, {"--device", "cpu"}, {"--backend", "tamis"}}) {
    std::vector<std::string> arguments = {"export", kClassifier, "-o", folder / "none"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Outcome refused = tamis(arguments);
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.err.find("--response-cache are of --format triton, not of onnx"),
              std::string::npos)
        << refused.err;
  }
  EXPECT_FALSE(fs::exists(folder / "none"));
}

TEST(CliOnnx, BecomesABundle) {
  const TempFolder folder;
  const Outcome outcome = tamis({"optimize", exported(), "-o", folder / "bundle", "--seconds", "0",
                                 "--precision", "fp32", "--quiet"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(answer("classify", folder / "bundle"), answer("classify", kClassifier));
}

TEST(CliOnnx, NamesTheNodeThatIsNotUnderstood) {
  const TempFolder folder;
  // Another operator of the same length.
  std::string bytes = read_file(exported() + "/model.onnx");
  const size_t at = bytes.find("\x22\x04Tanh");
  ASSERT_NE(at, bytes.npos);
  bytes.replace(at + 2, 4, "Selu");
  const Outcome outcome = tamis({"inspect", folder.write("m.onnx", bytes)});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.err.find("(Selu): this operator is not understood on hidden states"),
            std::string::npos)
      << outcome.err;
  EXPECT_EQ(tamis({"inspect", folder.write("cut.onnx", bytes.substr(0, 5000))}).status, 3);
}

TEST(CliOnnx, SaysWhichEnginesAndLibrariesThereAre) {
  const TempFolder folder;
  const auto bench = [](const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"bench",     exported(),  "--shape", "2x8",
                                          "--no-peak", "--seconds", "0"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return tamis(arguments);
  };
  struct Row {
    std::vector<std::string> flags;
    const char* part;
  };
  const Row rows[] = {
      {{"--engine", "tpu"}, "engine \"tpu\": this build has cpu, "},
      {{"--engine", "onnxruntime", "--ort", "nowhere.so"}, "--ort nowhere.so: no such file"},
      {{"--engine", "onnxruntime", "--ort", exported() + "/model.onnx"},
       "is no shared library that loads"}};
  for (const Row& row : rows) {
    const Outcome outcome = bench(row.flags);
    EXPECT_GT(outcome.status, 1);
    EXPECT_NE(outcome.err.find(row.part), std::string::npos) << outcome.err;
  }
  TAMIS_REQUIRE_ORT();
  const Outcome both =
      bench({"--engine", "cpu", "--engine", "onnxruntime", "--ort", test::ort_library().string()});
  EXPECT_EQ(both.status, 0) << both.err;
  EXPECT_NE(both.out.find("[cpu]"), std::string::npos) << both.out;
  EXPECT_NE(both.out.find("[onnxruntime]"), std::string::npos) << both.out;
}

TEST(CliOnnx, WritesNothingHalf) {
  const TempFolder folder;
  EXPECT_EQ(tamis({"export", kClassifier, "--format", "tflite", "-o", folder / "out"}).status, 2);
  EXPECT_EQ(tamis({"export", kClassifier, "--format", "onnx"}).status, 2);
  EXPECT_EQ(tamis({"export", kClassifier, "-o", exported()}).status, 2);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(CliOnnx, WritesOtherFloatTypes) {
  const TempFolder folder;
  for (const char* floats : {"fp16", "bf16"}) {
    const std::string out = folder / floats;
    const Outcome outcome =
        tamis({"export", kClassifier, "--format", "onnx", "--float", floats, "-o", out});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_LT(fs::file_size(out + "/model.onnx"),
              0.7 * static_cast<double>(fs::file_size(exported() + "/model.onnx")));
    EXPECT_EQ(answer("classify", out).substr(0, 20), answer("classify", kClassifier).substr(0, 20));
  }
}

TEST(CliOnnx, WritesForTensorRtAndChecksIt) {
  const TempFolder folder;
  const std::string out = folder / "trt";
  const Outcome outcome = tamis({"export", kClassifier, "--format", "onnx-qdq", "--flavor", "trt",
                                 "--precision", "int8", "--quiet", "-o", out});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("quantizers on; "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("plan: int8; on texts held out: "), std::string::npos) << outcome.out;
  const Outcome check = tamis({"inspect", out, "--check", "trt"});
  EXPECT_EQ(check.status, 0);
  EXPECT_EQ(check.out, "no rule of TensorRT's is broken\n");
  const Outcome other =
      tamis({"inspect", TAMIS_UNPACKED_TESTDATA "/onnx/bert-cls-op14-tf437-fusedq.onnx", "--check",
             "trt"});
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.out.find("error operator"), std::string::npos) << other.out;
  EXPECT_EQ(tamis({"inspect", kClassifier, "--check", "trt"}).status, 2);
  EXPECT_EQ(tamis({"inspect", out, "--check", "openvino"}).status, 2);
}

TEST(CliOnnx, RefusesContradictions) {
  const TempFolder folder;
  struct Row {
    std::vector<std::string> flags;
    const char* part;
  };
  const Row rows[] = {
      {{"--flavor", "trt"}, "--flavor trt: --format onnx writes no quantizers"},
      {{"--budget", "flips=1%"}, "quantization: --format onnx writes no quantizers"},
      {{"--float", "fp8"}, "--float fp8: must be fp32, fp16 or bf16"},
      {{"--format", "onnx-qdq", "--flavor", "openvino"}, "must be portable, ort-cpu or trt"},
      {{"--format", "onnx-qdq", "--precision", "bf16"}, "--precision bf16: must be auto or int8"}};
  for (const Row& row : rows) {
    std::vector<std::string> arguments = {"export", kClassifier, "-o", folder / "out"};
    arguments.insert(arguments.end(), row.flags.begin(), row.flags.end());
    const Outcome outcome = tamis(arguments);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find(row.part), std::string::npos) << outcome.err;
  }
  // A bundle whose ranges are found at run time.
  const std::string bundle = folder / "bundle";
  ASSERT_EQ(tamis({"optimize", kClassifier, "-o", bundle, "--seconds", "0", "--precision", "int8",
                   "--quiet"})
                .status,
            0);
  const Outcome native = tamis({"export", bundle, "--format", "onnx-qdq", "-o", folder / "out"});
  EXPECT_EQ(native.status, 5);
  EXPECT_NE(native.err.find("finds its range at run time"), std::string::npos) << native.err;
  EXPECT_EQ(tamis({"export", bundle, "--format", "onnx-qdq", "--budget", "flips=1%", "-o",
                   folder / "out"})
                .status,
            2);
  EXPECT_EQ(tamis({"export", kClassifier, "-o", "/proc/nowhere/out"}).status, 9);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

}  // namespace
}  // namespace tamis::cli_test
