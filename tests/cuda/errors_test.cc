// What a card, a driver or a build may lack, and what may end while a model runs.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <functional>

#include "base/error.h"
#include "device/cuda/cuda_device.h"
#include "device/cuda/tensor_map.h"
#include "engines/cpu/test_encoder.h"
#include "tests/cuda/cuda_double.h"

namespace tamis::engines {
namespace {

using cpu::test_encoder;
using cpu::TestBatch;
using test::CudaDouble;
using test::on_cuda;

/// The code and the text of the error that `body` throws.
template <typename Body>
std::pair<ErrorCode, std::string> error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {ErrorCode::kInternal, "nothing was thrown"};
}

void expect_error(ErrorCode code, const std::string& text, const std::function<void()>& body) {
  const auto [got, what] = error_of(body);
  EXPECT_EQ(static_cast<int>(got), static_cast<int>(code)) << what;
  EXPECT_NE(what.find(text), std::string::npos) << what;
}

void make(int index = 0) {
  (void)engine::make_engine(test_encoder(), on_cuda(engine::Precision::kFp32, index));
}

// In a process of its own, whose driver is first looked at with the variable set.
class CudaDriverDeathTest : public testing::Test {
 protected:
  static void expect_exit(const char* variable, const char* value, const char* text) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    ::setenv(variable, value, 1);
    EXPECT_EXIT(fail_to_make(), testing::ExitedWithCode(9), text);
    ::unsetenv(variable);
  }

 private:
  [[noreturn]] static void fail_to_make() {
    const auto [code, what] = error_of([] { make(); });
    std::fprintf(stderr, "%s\n", what.c_str());
    std::exit(code == ErrorCode::kUnavailable ? 9 : 1);
  }
};

TEST_F(CudaDriverDeathTest, OneThatIsTooOld) {
  expect_exit("TAMIS_CUDA_DOUBLE_VERSION", "12040",
              "the NVIDIA driver is for CUDA 12.4; the kernels need one for CUDA 13.0 or later");
}

TEST_F(CudaDriverDeathTest, OneWithoutADevice) {
  expect_exit("TAMIS_CUDA_DOUBLE_DEVICES", "0", "does not start: CUDA_ERROR_NO_DEVICE");
}

TEST_F(CudaDriverDeathTest, OneThatDoesNotStart) {
  expect_exit("TAMIS_CUDA_DOUBLE_INIT_ERROR", "999", "the NVIDIA driver does not start");
}

TEST(CudaErrors, ADeviceThatIsNotThere) {
  const CudaDouble card;
  expect_error(ErrorCode::kUnavailable, "cuda:5: there is 1 device, counted from cuda:0",
               [] { make(5); });
  expect_error(ErrorCode::kUnavailable, "cuda:-1", [] { make(-1); });
}

TEST(CudaErrors, AMatrixThatTheDriverDoesNotTake) {
  const CudaDouble card;
  const auto device = device::cuda::CudaDevice::open(0);
  const device::cuda::DeviceBuffer rows(device, 4096);
  EXPECT_NO_THROW((void)device::cuda::map_boxes(*device, {rows.data(), 3, 128, 128, 64}));
  expect_error(ErrorCode::kUnavailable, "describing a matrix", [&] {
    (void)device::cuda::map_boxes(*device, {rows.data(), 3, 128, 136, 64});
  });
}

TEST(CudaErrors, ACardThatIsTooOld) {
  CudaDouble card;
  card.set("capability", 61);
  expect_error(ErrorCode::kUnavailable, "compute capability 6.1; the kernels need 7.5 or later",
               [] { make(); });
}

TEST(CudaErrors, ABuildWithoutKernels) {
  CudaDouble card;
  card.set("kernels", 0);
  // A build with nvcc has kernels of its own, which the double takes for its own.
  const auto [code, what] = error_of([] { make(); });
  if (what != "nothing was thrown") {
    EXPECT_EQ(static_cast<int>(code), static_cast<int>(ErrorCode::kUnavailable));
    EXPECT_NE(what.find("this build has no CUDA kernels"), std::string::npos) << what;
  }
}

TEST(CudaErrors, WeightsThatDoNotFit) {
  CudaDouble card;
  card.set("memory_bytes", card.get("allocated_bytes") + 1000);
  expect_error(ErrorCode::kOutOfMemory, "the weights need ", [] { make(); });
}

TEST(CudaErrors, ABatchThatDoesNotFit) {
  CudaDouble card;
  const auto engine = engine::make_engine(test_encoder(), on_cuda());
  const auto session = engine->make_session();
  const TestBatch batch({100, 20});
  engine::Outputs outputs;
  card.set("memory_bytes", card.get("allocated_bytes") + 1000);
  expect_error(ErrorCode::kOutOfMemory, "bytes of device memory, 1000 are free",
               [&] { session->run(batch.packed(), outputs); });
  // Under load another process may take what was free a moment ago.
  card.set("memory_bytes", int64_t{1} << 30);
  card.set("allocations_until_failure", 1);
  expect_error(ErrorCode::kOutOfMemory, "out of device memory",
               [&] { session->run(batch.packed(), outputs); });
  card.set("allocations_until_failure", -1);
  session->run(batch.packed(), outputs);
  EXPECT_EQ(outputs.get("token_embeddings").shape()[0], 120);
}

TEST(CudaErrors, ADeviceThatIsLostAndComesBack) {
  CudaDouble card;
  const TestBatch batch({5, 3});
  engine::Outputs outputs;
  {
    const auto engine = engine::make_engine(test_encoder(), on_cuda());
    const auto session = engine->make_session();
    session->run(batch.packed(), outputs);
    card.set("launches_until_failure", 3);
    expect_error(ErrorCode::kUnavailable, "CUDA_ERROR_LAUNCH_FAILED; the device is lost",
                 [&] { session->run(batch.packed(), outputs); });
    expect_error(ErrorCode::kUnavailable, "cuda:0", [&] { session->run(batch.packed(), outputs); });
    EXPECT_EQ(card.get("launches_until_failure"), -1);
    // Loaded anew while the lost one is still there.
    const auto again = engine::make_engine(test_encoder(), on_cuda());
    const auto alive = again->make_session();
    alive->run(batch.packed(), outputs);
    const auto values = outputs.get("token_embeddings").as<float>();
    const std::vector<float> answer(values.begin(), values.end());
    // What is left of the lost one touches nothing of it.
    expect_error(ErrorCode::kUnavailable, "lost to this model",
                 [&] { session->run(batch.packed(), outputs); });
    alive->run(batch.packed(), outputs);
    const auto same = outputs.get("token_embeddings").as<float>();
    EXPECT_EQ(std::vector<float>(same.begin(), same.end()), answer);
  }
  make();
}

TEST(CudaErrors, WhatTheEngineCannotRunIsNamed) {
  CudaDouble card;
  graph::Graph graph;
  const graph::ValueId x = graph.add_input(
      "x", DType::kF32, {graph::Dim::of(graph::Symbol::kTokens), graph::Dim::of(8)});
  graph.add_output("y", graph.add_node(graph::OpKind::kActivation, {x},
                                       graph::ActivationAttributes{Activation::kRelu}, "start"));
  expect_error(ErrorCode::kUnsupported,
               "the CUDA engine runs graphs from token ids, not from \"x\"",
               [&] { (void)engine::make_engine(graph, on_cuda()); });
  engine::EngineOptions simulated = on_cuda();
  simulated.simulate = true;
  expect_error(ErrorCode::kUnsupported, "cuda: simulates no quantizers",
               [&] { (void)engine::make_engine(test_encoder(), simulated); });
  engine::EngineOptions wrong;
  wrong.engine = "cuda";
  expect_error(ErrorCode::kUnsupported, "cuda: runs on CUDA devices",
               [&] { (void)engine::make_engine(test_encoder(), wrong); });
}

TEST(CudaErrors, CardsAreListed) {
  CudaDouble card;
  card.set("devices", 2);
  const auto cards = device::cuda::list_cards();
  ASSERT_EQ(cards.size(), 2u);
  EXPECT_EQ(cards[1].name, "Emulated card 1");
  EXPECT_EQ(cards[1].capability, 86);
}

}  // namespace
}  // namespace tamis::engines
