// --device cuda on the double of NVIDIA's driver, and what is said where there is none.
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

constexpr int kInvalid = 2;
constexpr int kUnavailable = 9;
const std::string kClassifier = testdata("models/bert-sequence-classification");

Surroundings with_double(std::vector<std::pair<std::string, std::string>> more = {}) {
  Surroundings around;
  around.environment = std::move(more);
  around.environment.emplace_back("LD_LIBRARY_PATH", TAMIS_CUDA_DOUBLE);
  return around;
}

std::vector<double> logits(const Outcome& outcome) {
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  std::vector<double> found;
  for (const std::string& line : lines(outcome.out)) {
    const JsonDocument document = JsonDocument::parse(line, "answer");
    const JsonView logits = document.root().get("logits");
    for (size_t i = 0; i < logits.size(); ++i) found.push_back(logits.at(i).as_double("logit"));
  }
  return found;
}

TEST(CliCuda, AnswersAsTheCpuDoes) {
  const std::vector<std::string> command = {"classify", kClassifier, "A text.", "And another one."};
  for (const char* name : {"fp32", "bf16", "int8"}) {
    const std::string precision = name;
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--json", "--precision", precision});
    const std::vector<double> want = logits(tamis(arguments));
    arguments.insert(arguments.end(), {"--device", "cuda"});
    const std::vector<double> got = logits(tamis(arguments, with_double()));
    ASSERT_EQ(got.size(), want.size());
    ASSERT_GT(got.size(), 2u);
    // In INT8 the CPU's own kernel sets are up to 0.15 from each other here.
    const double tolerance = precision == "fp32" ? 1e-5 : precision == "bf16" ? 0.05 : 0.2;
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << precision;
  }
}

TEST(CliCuda, ListsDevices) {
  const Surroundings two = with_double({{"TAMIS_CUDA_DOUBLE_DEVICES", "2"}});
  const Outcome text = tamis({"inspect", "--devices"}, two);
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("cuda:1   Emulated card 1, compute capability 8.6"), std::string::npos)
      << text.out;
  EXPECT_NE(text.out.find("driver for CUDA 13.0; kernels: sm_86"), std::string::npos) << text.out;
  const Outcome json = tamis({"inspect", "--devices", "--json"}, two);
  const JsonDocument document = JsonDocument::parse(json.out, "devices");
  ASSERT_EQ(document.root().size(), 2u);
  EXPECT_EQ(document.root().at(0).get("device").as_string("device"), "cuda:0");
  const Outcome old =
      tamis({"inspect", "--devices"}, with_double({{"TAMIS_CUDA_DOUBLE_CAPABILITY", "61"}}));
  EXPECT_NE(old.out.find("kernels: none: compute capability 6.1"), std::string::npos) << old.out;
}

void expect_refused(const std::string& device, const Surroundings& around, int status,
                    const std::string& message) {
  const Outcome outcome = tamis({"classify", kClassifier, "a", "--device", device}, around);
  EXPECT_EQ(outcome.status, status);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(lines(outcome.err).size(), 1U) << outcome.err;
  EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
}

TEST(CliCuda, SaysWhatIsMissing) {
  expect_refused("gpu", {}, kInvalid, "device \"gpu\": must be cpu, cuda or cuda:N");
  expect_refused("cuda:3", with_double(), kUnavailable, "cuda:3: there is 1 device");
  expect_refused("cuda", with_double({{"TAMIS_CUDA_DOUBLE_VERSION", "12040"}}), kUnavailable,
                 "the NVIDIA driver is for CUDA 12.4; the kernels need one for CUDA 13.0");
  expect_refused("cuda", with_double({{"TAMIS_CUDA_DOUBLE_DEVICES", "0"}}), kUnavailable,
                 "does not start: CUDA_ERROR_NO_DEVICE");
  expect_refused("cuda", with_double({{"TAMIS_CUDA_DOUBLE_MEMORY", "1000"}}), 10,
                 "bytes of device memory, 1000 are free");
  // A driver that is none stands before any that this machine may have.
  const TempFolder folder;
  folder.write("libcuda.so.1", "not a library");
  Surroundings none;
  none.environment = {{"LD_LIBRARY_PATH", folder.path().string()}};
  expect_refused("cuda", none, kUnavailable, "CUDA: no NVIDIA driver (");
  const Outcome listed = tamis({"inspect", "--devices"}, none);
  EXPECT_EQ(listed.status, kUnavailable);
}

}  // namespace
}  // namespace tamis::cli_test
