// Sessions on the emulated card: batches of all kinds, two in flight, two devices, Turing.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "engines/cpu/test_encoder.h"
#include "quant/marks.h"
#include "tests/cuda/cuda_double.h"

namespace tamis::engines {
namespace {

using cpu::TestBatch;
using engine::Outputs;
using engine::Precision;
using test::CudaDouble;
using test::on_cuda;

graph::Graph encoder(Precision precision) {
  graph::Graph graph = cpu::test_encoder(
      precision == Precision::kFp32 ? graph::FloatArithmetic::kF32 : graph::FloatArithmetic::kBf16);
  if (precision == Precision::kInt8) quant::add_marks(graph);
  return graph;
}

std::shared_ptr<const engine::Engine> on_card(Precision precision, int index = 0) {
  return engine::make_engine(encoder(precision), on_cuda(precision, index));
}

// The largest difference over all outputs, in units of the output's greatest value.
double difference(const Outputs& left, const Outputs& right) {
  double largest = 0;
  EXPECT_EQ(left.size(), right.size());
  for (size_t o = 0; o < left.size(); ++o) {
    const auto a = left.view(o).as<float>();
    const auto b = right.view(o).as<float>();
    EXPECT_EQ(a.size(), b.size());
    double size = 1e-3;
    for (const float value : b) size = std::max(size, std::abs(double{value}));
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      const double apart = std::abs(double{a[i]} - b[i]);
      largest = std::max(largest, std::isnan(apart) ? 1e9 : apart / size);
    }
  }
  return largest;
}

bool same_bits(const Outputs& left, const Outputs& right) {
  for (size_t o = 0; o < left.size(); ++o) {
    const TensorView& a = left.view(o);
    const TensorView& b = right.view(o);
    if (a.size_bytes() != b.size_bytes()) return false;
    if (a.size_bytes() > 0 && std::memcmp(a.data(), b.data(), a.size_bytes()) != 0) return false;
  }
  return true;
}

// Float sums in another order: eps times the terms of two layers. Rounded operands: a last bit of a
// sum may move a rounding, which is 2^-9 of bf16 and 1 / 510 of a row's range in integers; twelve
// products in two layers, six standard deviations: 6 r sqrt(2 * 12) / 2, in units of the greatest.
double allowed(Precision precision) {
  if (precision == Precision::kFp32) return 2e-6;
  return precision == Precision::kBf16 ? 0x1p-6 : 1.0 / 32;
}

TEST(CudaSession, GivesTheCpusAnswersForAnyBatch) {
  CudaDouble card;
  card.set("check", 1);
  for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
    SCOPED_TRACE(engine::precision_name(precision));
    engine::EngineOptions options;
    options.precision = precision;
    const auto cpu = engine::make_engine(encoder(precision), options)->make_session();
    const auto cuda = on_card(precision)->make_session();
    for (const std::vector<int32_t>& lengths :
         std::vector<std::vector<int32_t>>{{7}, {1}, {64}, {65, 1, 0, 130}, {0, 3}, {3, 3, 3}}) {
      TestBatch batch(lengths);
      if (lengths.size() == 3) batch.selected = {1, 4, 5, 8};
      Outputs want;
      Outputs got;
      cpu->run(batch.packed(), want);
      cuda->run(batch.packed(), got);
      EXPECT_LE(difference(got, want), allowed(precision)) << "sequences " << lengths.size();
    }
  }
}

TEST(CudaSession, SeesTheFirstTokensAlone) {
  CudaDouble card;
  const std::vector<int32_t> keys = {2, 5, 1};
  const TestBatch tokens({4, 5, 3});
  engine::PackedBatch batch = tokens.packed();
  batch.key_lengths = keys;
  Outputs want;
  Outputs got;
  engine::make_engine(encoder(Precision::kFp32), {})->make_session()->run(batch, want);
  on_card(Precision::kFp32)->make_session()->run(batch, got);
  EXPECT_LE(difference(got, want), allowed(Precision::kFp32));
}

TEST(CudaSession, LeavesTokensOutOfThePooling) {
  CudaDouble card;
  const std::vector<int32_t> unpooled = {2, 0, 3};
  const TestBatch tokens({4, 5, 3});
  engine::PackedBatch batch = tokens.packed();
  Outputs all;
  engine::make_engine(encoder(Precision::kFp32), {})->make_session()->run(batch, all);
  batch.unpooled = unpooled;
  Outputs want;
  Outputs got;
  engine::make_engine(encoder(Precision::kFp32), {})->make_session()->run(batch, want);
  on_card(Precision::kFp32)->make_session()->run(batch, got);
  EXPECT_LE(difference(got, want), allowed(Precision::kFp32));
  EXPECT_GT(difference(all, want), 0.01);
}

TEST(CudaSession, KeepsTwoRunsInFlight) {
  CudaDouble card;
  const auto session = on_card(Precision::kInt8)->make_session();
  const TestBatch batches[] = {TestBatch({20, 5}, 1), TestBatch({3}, 2), TestBatch({40}, 3)};
  Outputs alone[3];
  for (int i = 0; i < 3; ++i) session->run(batches[i].packed(), alone[i]);
  Outputs outputs[3];
  engine::PackedBatch packed[3];
  engine::Ticket tickets[3];
  const engine::RunControl control;
  for (int i = 0; i < 3; ++i) {
    packed[i] = batches[i].packed();
    tickets[i] = session->submit(packed[i], outputs[i], control);
  }
  for (int i = 0; i < 3; ++i) {
    session->wait(tickets[i]);
    EXPECT_TRUE(same_bits(outputs[i], alone[i])) << i;
  }
}

TEST(CudaSession, DevicesAndThreadsGiveTheSameBits) {
  CudaDouble card;
  card.set("devices", 2);
  const auto first = on_card(Precision::kBf16, 0);
  const auto second = on_card(Precision::kBf16, 1);
  const TestBatch batch({30, 70});
  Outputs outputs[2];
  std::thread other([&] { second->make_session()->run(batch.packed(), outputs[1]); });
  first->make_session()->run(batch.packed(), outputs[0]);
  other.join();
  EXPECT_TRUE(same_bits(outputs[0], outputs[1]));
  EXPECT_EQ(second->info().device, (device::Device{device::DeviceKind::kCuda, 1}));
}

TEST(CudaSession, TuringMultipliesInHalfPrecision) {
  CudaDouble card;
  const TestBatch batch({9, 4});
  Outputs ampere;
  on_card(Precision::kInt8)->make_session()->run(batch.packed(), ampere);
  card.set("capability", 75);
  Outputs turing;
  on_card(Precision::kInt8)->make_session()->run(batch.packed(), turing);
  EXPECT_LE(difference(turing, ampere), allowed(Precision::kInt8));
  EXPECT_FALSE(same_bits(turing, ampere)) << "f16 keeps three bits more than bf16";
}

// All linear layers in integers, those too whose marks are off by default.
std::shared_ptr<const engine::Engine> all_in_integers() {
  graph::Graph graph = encoder(Precision::kInt8);
  for (graph::Node& node : graph.nodes()) {
    if (!graph::is_matmul(node)) continue;
    for (graph::Quantizer& mark : node.quantizers) mark.enabled = true;
  }
  return engine::make_engine(std::move(graph), on_cuda(Precision::kInt8));
}

// Cards of compute capability 9.0 multiply batches of more than 256 rows on wgmma.
TEST(CudaSession, HopperHasTheBitsOfOtherCards) {
  CudaDouble card;
  const std::string kernels[] = {"tamis_gemm_s8_hopper", "tamis_gemm_s8_hopper_gelu"};
  const TestBatch batch({130, 1, 70, 99});
  Outputs ampere;
  all_in_integers()->make_session()->run(batch.packed(), ampere);
  card.set("capability", 90);
  card.set("check", 1);
  const int64_t before[] = {card.launches(kernels[0]), card.launches(kernels[1])};
  Outputs hopper;
  all_in_integers()->make_session()->run(batch.packed(), hopper);
  EXPECT_TRUE(same_bits(hopper, ampere));
  EXPECT_EQ(card.launches(kernels[0]) - before[0], 2 * 3) << "q, k and v, contexts, outer layer";
  EXPECT_EQ(card.launches(kernels[1]) - before[1], 2) << "the inner layer";
}

TEST(CudaSession, HopperKeepsOtherTilesForFewRowsAndCodeOfPtx) {
  CudaDouble card;
  const TestBatch long_batch({257});
  Outputs ampere;
  on_card(Precision::kInt8)->make_session()->run(long_batch.packed(), ampere);
  card.set("capability", 90);
  const int64_t before = card.launches("tamis_gemm_s8_hopper");
  Outputs outputs;
  on_card(Precision::kInt8)->make_session()->run(TestBatch({256}).packed(), outputs);
  EXPECT_EQ(card.launches("tamis_gemm_s8_hopper"), before);
  card.set("ptx", 1);
  on_card(Precision::kInt8)->make_session()->run(long_batch.packed(), outputs);
  EXPECT_EQ(card.launches("tamis_gemm_s8_hopper"), before);
  EXPECT_TRUE(same_bits(outputs, ampere));
}

TEST(CudaSession, StopsBeforeARunAndRefusesBadBatches) {
  CudaDouble card;
  const auto session = on_card(Precision::kFp32)->make_session();
  const TestBatch batch({4});
  Outputs outputs;
  const std::atomic<bool> stop = true;
  engine::RunControl control;
  control.stop = &stop;
  EXPECT_THROW(session->run(batch.packed(), outputs, control), Error);
  TestBatch wrong({4});
  wrong.ids[2] = cpu::kVocab;
  try {
    session->run(wrong.packed(), outputs);
    FAIL() << "an id outside its table";
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(ErrorCode::kInvalidArgument));
  }
  session->run(batch.packed(), outputs);
}

TEST(CudaSession, RecordsWorkOncePerSize) {
  CudaDouble card;
  const auto session = on_card(Precision::kFp32)->make_session();
  Outputs outputs;
  const TestBatch batch({12});
  session->run(batch.packed(), outputs);
  const int64_t allocated = card.get("allocated_bytes");
  const int64_t before = card.get("launches");
  session->run(batch.packed(), outputs);
  session->run(TestBatch({5, 6}).packed(), outputs);
  EXPECT_EQ(card.get("allocated_bytes"), allocated);
  EXPECT_GT(card.get("launches"), before);
}

}  // namespace
}  // namespace tamis::engines
