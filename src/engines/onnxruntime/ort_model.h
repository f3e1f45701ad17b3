// A model in ONNX Runtime: a session of its, with its inputs and outputs.
//
// Is: loading, execution providers, runs on tensors in memory. Is not: ragged batches (ort_engine).
// May use: engine, ort_library.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engines/onnxruntime/ort_handle.h"

namespace tamis::engines::onnxruntime {

/// What the model says of an input or an output.
struct OrtPort {
  std::string name;
  int type = 0;               ///< OrtElement, 0 of what is no tensor
  std::vector<int64_t> dims;  ///< -1: any
};

/// An input of a run; borrows its bytes.
struct OrtInput {
  const OrtPort* port = nullptr;
  std::span<std::byte> bytes;
};

/// Values of an output; owned by its handle.
struct OrtOutput {
  OrtHandle<OrtValue> value;
  int type = 0;
  std::vector<int64_t> dims;
  const void* data = nullptr;
};

/// Immutable and thread-safe.
class OrtModel {
 public:
  /// Throws Error{kUnsupported}: the library does not take the model or has no such provider.
  OrtModel(std::shared_ptr<const OrtLibrary> library, const engine::OpaqueModel& model, int threads,
           std::string_view provider);

  [[nodiscard]] const std::vector<OrtPort>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<OrtPort>& outputs() const { return outputs_; }

  /// All inputs are [batch, tokens]. Throws Error{kUnsupported} with what the library says.
  [[nodiscard]] std::vector<OrtOutput> run(std::span<const OrtInput> inputs, int64_t batch,
                                           int64_t tokens,
                                           std::span<const std::string> outputs) const;

 private:
  OrtHandle<OrtSessionOptions> make_options(int threads, std::string_view provider) const;
  void add_provider(OrtSessionOptions* options, std::string_view provider) const;
  void load(const engine::OpaqueModel& model, const OrtSessionOptions* options);
  std::vector<OrtPort> read_ports(bool inputs) const;
  OrtOutput describe(OrtHandle<OrtValue> value) const;

  std::shared_ptr<const OrtLibrary> library_;
  std::string name_;
  OrtHandle<OrtSession> session_;
  OrtHandle<OrtMemoryInfo> memory_;
  std::vector<OrtPort> inputs_;
  std::vector<OrtPort> outputs_;
};

}  // namespace tamis::engines::onnxruntime
