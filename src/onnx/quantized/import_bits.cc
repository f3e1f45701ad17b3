// Weights and tables of a few bits in blocks, as ONNX Runtime's own operators read them: they
// become the numbers that their integers stand for.
#include <algorithm>

#include "formats/stored_tensor.h"
#include "onnx/importer.h"

namespace tamis::onnx {

namespace {

// The least bits of the bytes first, all blocks of a row behind each other: what MatMulNBits reads.
struct PackedWeight {
  int64_t columns = 0;  // K: numbers that a row stands for
  int64_t rows = 0;     // N
  int64_t block = 0;
  int64_t bits = 0;

  [[nodiscard]] int64_t blocks() const { return (columns + block - 1) / block; }
  [[nodiscard]] int64_t block_bytes() const { return block * bits / 8; }
  // Zero points of a row, which begins at a byte.
  [[nodiscard]] int64_t zero_bytes() const { return (blocks() * bits + 7) / 8; }
};

PackedWeight packed_weight(const Step& step) {
  const PackedWeight packed = {step.op.integer("K", 0), step.op.integer("N", 0),
                               step.op.integer("block_size", 0), step.op.integer("bits", 4)};
  if (packed.bits != 2 && packed.bits != 4 && packed.bits != 8) {
    step.op.refuse("bits is ", packed.bits, "; 2, 4 and 8 are accepted");
  }
  constexpr int64_t kMost = INT32_MAX;
  const auto is_size = [](int64_t size) { return size > 0 && size <= kMost; };
  const bool fits = is_size(packed.columns) && is_size(packed.rows) && is_size(packed.block) &&
                    packed.block * packed.bits % 8 == 0;
  if (!fits) {
    step.op.refuse("K is ", packed.columns, ", N ", packed.rows, ", block_size ", packed.block,
                   "; numbers of 1 to ", kMost, " and blocks of whole bytes are expected");
  }
  if (step.op.integer("weight_prepacked", 0) != 0) {
    step.op.refuse("weight_prepacked is set; 0 is accepted");
  }
  return packed;
}

const Known& constant_of(const Step& step, size_t i, const Dims& dims, std::string_view what) {
  const Known& known = step.known(i);
  const auto elements = checked_elements(dims);
  if (known.is_constant() && elements && checked_elements(known.dims()) == elements) return known;
  step.op.refuse("\"", known.name(), "\": ", what, " of ", sizes_to_string(dims),
                 " constants are expected");
}

// A number for each block of each row; without any, the middle of the integers.
std::vector<float> zeros_of_blocks(const Step& step, const PackedWeight& packed) {
  const int64_t blocks = packed.blocks();
  std::vector<float> zeros(static_cast<size_t>(packed.rows * blocks),
                           static_cast<float>(int64_t{1} << (packed.bits - 1)));
  if (!step.has(3)) return zeros;
  if (is_float(step.known(3).type())) {
    const Array& array = constant_of(step, 3, {packed.rows, blocks}, "zero points").at(0);
    return {array.data->begin(), array.data->end()};
  }
  const Known& known =
      constant_of(step, 3, {packed.rows, packed.zero_bytes()}, "bytes of zero points");
  const std::vector<uint8_t> bytes(known.at(0).data->begin(), known.at(0).data->end());
  for (int64_t n = 0; n < packed.rows; ++n) {
    const auto row = std::as_bytes(std::span(bytes)).subspan(n * packed.zero_bytes());
    const auto integers = unpacked_integers(row, static_cast<int>(packed.bits), blocks, false);
    std::copy(integers.begin(), integers.end(), zeros.begin() + n * blocks);
  }
  return zeros;
}

// The weight [N, K] that the integers stand for.
std::shared_ptr<const Known> unpacked_weight(const Step& step, const PackedWeight& packed) {
  const int64_t blocks = packed.blocks();
  const int64_t in_row = blocks * packed.block;
  const Known& integers =
      constant_of(step, 1, {packed.rows, blocks, packed.block_bytes()}, "bytes of a weight");
  if (integers.tensor() == nullptr || integers.type() != ElementType::kUint8) {
    step.op.refuse("\"", integers.name(), "\" is no stored constant of UINT8");
  }
  const Array& scales = constant_of(step, 2, {packed.rows, blocks}, "scales").at(0);
  const std::vector<float> zeros = zeros_of_blocks(step, packed);
  const auto values = unpacked_integers(integers.tensor()->bytes, static_cast<int>(packed.bits),
                                        packed.rows * in_row, false);
  std::vector<float> weight;
  weight.reserve(static_cast<size_t>(packed.rows * packed.columns));
  for (int64_t n = 0; n < packed.rows; ++n) {
    for (int64_t k = 0; k < packed.columns; ++k) {
      const int64_t block = n * blocks + k / packed.block;
      const auto value = static_cast<float>(values[static_cast<size_t>(n * in_row + k)]);
      weight.push_back((value - zeros[static_cast<size_t>(block)]) *
                       static_cast<float>(scales[block]));
    }
  }
  return computed_constant(integers.name(), {packed.rows, packed.columns}, std::move(weight));
}

}  // namespace

std::vector<ImportValue> import_matmul_of_bits(Importer& importer, const Step& step) {
  // x, weight, scales, zero points?, groups?, bias?
  constexpr size_t kGroups = 4;
  constexpr size_t kBias = 5;
  if (step.has(kGroups))
    step.op.refuse("g_idx is given; columns in the order of their blocks are accepted");
  const PackedWeight packed = packed_weight(step);
  (void)step.known(1);
  (void)step.known(2);
  const size_t parts = std::min<size_t>(step.inputs.size() - 1, 3);
  const auto weight = importer.unpacked(std::span(step.inputs).subspan(1, parts),
                                        [&] { return unpacked_weight(step, packed); });
  const ImportValue& x = step.input(0);
  if (x.hidden == nullptr) {
    if (!x.known->is_constant() || step.has(kBias)) {
      step.op.refuse("something made of ids and sizes times a weight, or of constants and a bias");
    }
    return {{importer.product(step, *x.known, *weight, false), nullptr}};
  }
  const ImportValue y = import_turned_matmul(importer, {step.op, {x, {weight, nullptr}}, {}})[0];
  return step.has(kBias) ? import_add(importer, {step.op, {y, step.input(kBias)}, {}})
                         : std::vector<ImportValue>{y};
}

std::vector<ImportValue> import_gather_of_blocks(Importer& importer, const Step& step) {
  // table, ids, scales, zero points?
  if (step.op.integer("gather_axis", 0) != 0) step.op.refuse("gather_axis is set; 0 is accepted");
  const ElementType type = step.known(0).type();
  if (type != ElementType::kInt4 && type != ElementType::kUint4) {
    step.op.refuse("a table of ", element_type_name(type), "; INT4 and UINT4 are accepted");
  }
  const ScaleAxis axis = {step.op.integer("quantize_axis", 1), step.op.integer("block_size", 128)};
  const auto table = importer.dequantized(step, step.known(0), step.known(2),
                                          step.has(3) ? &step.known(3) : nullptr, axis);
  return {make_embedding(importer, step, *table, step.known(1))};
}

}  // namespace tamis::onnx
