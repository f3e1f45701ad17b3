// Vectors of an answer in the types that a caller keeps them in.
//
// Is: their printing, and the range that 8-bit vectors are made by. Is not: a route. May use: call,
// math.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "math/vector_types.h"
#include "serve/protocol/call.h"

namespace tamis::serve {

/// How a vector is written: a list of numbers, or the base64 of their bytes (float32
/// little-endian, or a byte a number).
struct VectorForm {
  math::VectorType type = math::VectorType::kFloat;
  bool base64 = false;
};

/// Writes a vector as one value. `range` is read for 8-bit types.
void write_vector(std::span<const float> vector, VectorForm form, const math::VectorRange& range,
                  JsonWriter& json);

[[nodiscard]] bool needs_range(math::VectorType type);

using RangeCallback = std::function<void(const math::VectorRange& range)>;

/// Calls `next` with the range of the model's vectors of the built-in texts under these options
/// (normalize and dimensions count), now or on a worker. The texts are embedded the first time that
/// a version of a model is asked for it, in its queue as any request is. Where that fails, or
/// `next` throws there, the call is answered with the error.
void with_range(const CallPtr& call, const ModelLease& model, const tasks::EmbedOptions& options,
                RangeCallback next);

/// Submits the request, whose options embed, with the range if one of its forms needs it.
void submit_vectors(const CallPtr& call, const ModelLease& model, Request request, bool ranged,
                    std::function<HttpResponse(Call&, Reply&, const math::VectorRange&)> print);

}  // namespace tamis::serve
