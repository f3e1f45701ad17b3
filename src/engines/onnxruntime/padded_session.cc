#include "engines/onnxruntime/padded_session.h"

#include <algorithm>
#include <cstring>

#include "base/bf16.h"
#include "base/error.h"
#include "engine/batch_builder.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::onnxruntime {

using engine::PackedBatch;
using engine::RowUnit;

namespace {

// Attention's scores of a group are its tokens times its longest sequence: this bounds both.
constexpr int64_t kMostPaddedTokens = 16384;

void check_control(const engine::RunControl& control) {
  if (control.stop != nullptr && control.stop->load()) {
    fail(ErrorCode::kCancelled, "run: cancelled");
  }
  if (control.deadline_ns != 0 && control.clock->now_ns() > control.deadline_ns) {
    fail(ErrorCode::kDeadlineExceeded, "run: past its deadline");
  }
}

// [batch, longest] of the group's values, 0 behind each sequence's end; no values: 1 for tokens.
template <typename T>
void pad(const PackedBatch& batch, const PadGroup& group, std::span<const int32_t> values,
         T otherwise, std::vector<std::byte>& bytes) {
  const auto longest = static_cast<size_t>(group.longest);
  bytes.assign(group.sequences.size() * longest * sizeof(T), std::byte{0});
  auto* to = reinterpret_cast<T*>(bytes.data());
  for (const int32_t s : group.sequences) {
    const auto begin = static_cast<size_t>(batch.cu_seqlens[static_cast<size_t>(s)]);
    const auto end = static_cast<size_t>(batch.cu_seqlens[static_cast<size_t>(s) + 1]);
    for (size_t i = begin; i < end; ++i) {
      to[i - begin] = values.empty() ? otherwise : static_cast<T>(values[i]);
    }
    to += longest;
  }
}

void pad_input(const PackedBatch& batch, const PadGroup& group, const OrtPort& port,
               std::vector<std::byte>& bytes) {
  const bool is_mask = port.name == "attention_mask";
  std::span<const int32_t> values;
  if (port.name == "input_ids") values = batch.input_ids;
  if (port.name == "token_type_ids") values = batch.token_type_ids;
  if (port.type == kOrtInt64) {
    pad<int64_t>(batch, group, values, is_mask ? 1 : 0, bytes);
  } else {
    pad<int32_t>(batch, group, values, is_mask ? 1 : 0, bytes);
  }
}

int64_t length_of(const PackedBatch& batch, int32_t s) {
  return batch.cu_seqlens[static_cast<size_t>(s) + 1] - batch.cu_seqlens[static_cast<size_t>(s)];
}

// The modes' results for the rows of sequence `s`.
void pool(const std::vector<Pooling>& modes, const float* rows, const PackedBatch& batch, int32_t s,
          int64_t columns, float* to) {
  const int32_t borders[] = {0, static_cast<int32_t>(length_of(batch, s))};
  kernels::PoolingArgs args;
  args.cu_seqlens = borders;
  args.sequences = 1;
  args.width = args.ldx = args.ldy = columns;
  args.x = rows;
  args.y = to;
  if (!batch.unpooled.empty()) args.unpooled = batch.unpooled.data() + s;
  for (const Pooling mode : modes) {
    args.kind = mode;
    kernels::reference::pooling(args);
    args.y += columns;
  }
}

bool reads_tokens(const engine::OpaqueOutput& output) {
  return output.output.unit != RowUnit::kSequence || !output.pooling.empty();
}

}  // namespace

std::vector<OrtOutput> PaddedSession::run_group(const PackedBatch& batch, const PadGroup& group) {
  const std::vector<OrtPort>& ports = shared_->model->inputs();
  inputs_.resize(ports.size());
  std::vector<OrtInput> inputs;
  for (size_t i = 0; i < ports.size(); ++i) {
    pad_input(batch, group, ports[i], inputs_[i]);
    inputs.push_back({&ports[i], inputs_[i]});
  }
  return shared_->model->run(inputs, static_cast<int64_t>(group.sequences.size()), group.longest,
                             shared_->parts);
}

// Points rows_ and columns_ at the part's values.
void PaddedSession::read_part(const OrtOutput& part, const std::string& name, const PadGroup& group,
                              bool tokens) {
  const auto batch = static_cast<int64_t>(group.sequences.size());
  const size_t lead = tokens ? 2 : 1;
  const bool fits = part.dims.size() >= lead && part.dims.size() <= lead + 1 &&
                    part.dims[0] == batch && (!tokens || part.dims[1] == group.longest);
  if (!fits) {
    std::string dims;
    for (const int64_t dim : part.dims) dims += cat(dims.empty() ? "" : ", ", dim);
    fail(ErrorCode::kUnsupported, shared_->name, ": output \"", name, "\" is [", dims, "] for ",
         batch, " sequences of ", group.longest, " tokens; rows of ",
         tokens ? "tokens" : "sequences", " are expected");
  }
  columns_ = part.dims.size() == lead ? 1 : part.dims[lead];
  const auto count = static_cast<size_t>(batch * (tokens ? group.longest : 1) * columns_);
  if (part.type == kOrtFloat) {
    rows_ = static_cast<const float*>(part.data);
  } else if (part.type == kOrtHalf) {
    const auto* const halves = static_cast<const uint16_t*>(part.data);
    halves_.resize(count);
    std::transform(halves, halves + count, halves_.begin(), f16_to_float);
    rows_ = halves_.data();
  } else {
    fail(ErrorCode::kUnsupported, shared_->name, ": output \"", name, "\" has element type ",
         part.type, "; FLOAT and FLOAT16 are accepted");
  }
}

void PaddedSession::scatter(const PackedBatch& batch, const engine::RowMap& map,
                            const PadGroup& group, size_t output,
                            const std::vector<OrtOutput>& parts) {
  const engine::OpaqueOutput& wanted = shared_->outputs[output];
  const int64_t width = wanted.output.width;
  int64_t first = 0;
  for (const std::string& name : wanted.parts) {
    const auto at = std::ranges::find(shared_->parts, name) - shared_->parts.begin();
    read_part(parts[static_cast<size_t>(at)], name, group, reads_tokens(wanted));
    const int64_t columns =
        columns_ * static_cast<int64_t>(std::max<size_t>(1, wanted.pooling.size()));
    if (first + columns > width) refuse_width(name, first + columns, width);
    for (size_t row = 0; row < group.sequences.size(); ++row) {
      const int32_t s = group.sequences[row];
      const engine::RowRange range = map.rows(wanted.output.unit, s, s + 1);
      float* to = results_[output] + range.begin * width + first;
      const int64_t stride = reads_tokens(wanted) ? group.longest : 1;
      const float* const from = rows_ + static_cast<int64_t>(row) * stride * columns_;
      if (!wanted.pooling.empty()) {
        pool(wanted.pooling, from, batch, s, columns_, to);
        continue;
      }
      const bool selects =
          wanted.output.unit == RowUnit::kSelectedToken && !batch.selected_tokens.empty();
      for (int64_t i = 0; i < range.count; ++i, to += width) {
        const int64_t token = selects
                                  ? batch.selected_tokens[static_cast<size_t>(range.begin + i)] -
                                        batch.cu_seqlens[static_cast<size_t>(s)]
                                  : i;
        std::copy_n(from + token * columns_, columns_, to);
      }
    }
    first += columns;
  }
  if (first != width) refuse_width(wanted.output.name, first, width);
}

void PaddedSession::refuse_width(const std::string& output, int64_t found, int64_t width) const {
  fail(ErrorCode::kCorruptData, shared_->name, ": output \"", output, "\" has ", found,
       " columns in this run, ", width, " in another; rows of one width are expected");
}

void PaddedSession::run(const PackedBatch& batch, engine::Outputs& outputs,
                        const engine::RunControl& control) {
  engine::check_batch(batch, shared_->limits);
  if (!batch.position_ids.empty()) {
    fail(ErrorCode::kUnsupported, shared_->name,
         ": positions of tokens; ONNX Runtime counts them by the model's own rule");
  }
  const engine::RowMap map(batch);
  results_.clear();
  for (size_t i = 0; i < shared_->outputs.size(); ++i) {
    const engine::EngineOutput& output = shared_->outputs[i].output;
    const int64_t rows = map.total(output.unit);
    auto* const memory = outputs.prepare(i, output.name, rows, output.width);
    // Sequences without tokens have rows of zeros.
    std::memset(memory, 0, static_cast<size_t>(rows * output.width) * sizeof(float));
    results_.push_back(reinterpret_cast<float*>(memory));
  }
  outputs.truncate(shared_->outputs.size());
  int64_t done = 0;
  for (const PadGroup& group : pad_groups(batch.cu_seqlens, kMostPaddedTokens, shared_->masked)) {
    check_control(control);
    const std::vector<OrtOutput> parts = run_group(batch, group);
    for (size_t i = 0; i < shared_->outputs.size(); ++i) scatter(batch, map, group, i, parts);
    for (const int32_t s : group.sequences) done += length_of(batch, s);
    if (control.progress) control.progress(done, batch.tokens());
  }
}

int64_t PaddedSession::probe_width(const engine::OpaqueOutput& output) {
  const int32_t ids[] = {0, 0};
  const int32_t borders[] = {0, 2};
  const PackedBatch batch = {ids, {}, {}, borders, {}, 2};
  const PadGroup group = {{0}, 2};
  const std::vector<OrtOutput> parts = run_group(batch, group);
  int64_t columns = 0;
  for (const std::string& name : output.parts) {
    const auto at = std::ranges::find(shared_->parts, name) - shared_->parts.begin();
    read_part(parts[static_cast<size_t>(at)], name, group, reads_tokens(output));
    columns += columns_;
  }
  return columns * static_cast<int64_t>(std::max<size_t>(1, output.pooling.size()));
}

}  // namespace tamis::engines::onnxruntime
