#include "serve/protocol/vector_answer.h"

#include <algorithm>

#include "base/base64.h"
#include "model/calibration_texts.h"
#include "serve/batching/current_error.h"

namespace tamis::serve {

namespace {

using math::VectorRange;
using math::VectorType;

// What the options make of the rows, as they make it of the caller's own.
std::shared_ptr<const VectorRange> work_out(ModelVersion& model,
                                            const tasks::EmbedOptions& options) {
  const auto sample = model.ranges().sample();
  tasks::Encoded encoded;
  encoded.options = options;
  encoded.sequences.emplace_back();
  encoded.windows.emplace_back();
  std::vector<float> vectors;
  size_t width = 0;
  for (auto at = sample->values.begin(); at != sample->values.end(); at += sample->row_elements) {
    const tasks::OutputView view = {sample->name,
                                    TensorView(DType::kF32, {1, sample->row_elements}, &*at)};
    const auto result = std::get<tasks::EmbedResult>(model.model().decode(encoded, {&view, 1}));
    width = result.embedding.size();
    vectors.insert(vectors.end(), result.embedding.begin(), result.embedding.end());
  }
  auto range = std::make_shared<const VectorRange>(math::range_of(vectors, width));
  model.ranges().add(options, range);
  return range;
}

// The built-in texts as a request of this caller, with a budget of its own.
Request sample_request(const CallPtr& call, const ModelLease& model) {
  Request request = call->new_request(model);
  request.budget = std::make_shared<Budget>(call->core().limits());
  for (const std::string_view text : api::range_texts()) {
    request.inputs.push_back({std::string(text)});
  }
  request.options = tasks::EmbedOptions();
  request.raw = true;
  request.is_ours = true;
  request.reply_on = &call->core().workers();
  return request;
}

// Answers the call with what `work` throws.
template <typename Work>
void or_answer(const CallPtr& call, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    call->respond_error(error);
  } catch (...) {
    call->respond_error(current_error());
  }
}

}  // namespace

bool needs_range(VectorType type) {
  return type == VectorType::kInt8 || type == VectorType::kUint8;
}

void write_vector(std::span<const float> vector, VectorForm form, const VectorRange& range,
                  JsonWriter& json) {
  if (form.type == VectorType::kFloat) {
    if (!form.base64) {
      json.array(vector);
      return;
    }
    json.value(encode_base64({reinterpret_cast<const char*>(vector.data()), vector.size_bytes()}));
    return;
  }
  const std::vector<int32_t> numbers = math::quantize_vector(vector, form.type, range);
  if (form.base64) {
    json.value(encode_base64(math::bytes_of(numbers)));
  } else {
    json.array(numbers);
  }
}

void with_range(const CallPtr& call, const ModelLease& model, const tasks::EmbedOptions& options,
                RangeCallback next) {
  if (const auto range = model->ranges().find(options)) return next(*range);
  const auto go_on = [call, model, options, next = std::move(next)] {
    or_answer(call, [&] { next(*work_out(*model, options)); });
  };
  if (model->ranges().sample()) {
    call->core().workers().post(go_on);
    return;
  }
  call->core().submit(sample_request(call, model), [call, model, go_on](Reply&& reply) {
    if (reply.error) {
      call->respond_error(*reply.error, reply.retry_after_ms);
      return;
    }
    or_answer(call, [&] { model->ranges().set_sample(std::move(reply.raw.at(0))); });
    if (model->ranges().sample()) go_on();
  });
}

void submit_vectors(const CallPtr& call, const ModelLease& model, Request request, bool ranged,
                    std::function<HttpResponse(Call&, Reply&, const VectorRange&)> print) {
  if (!ranged) {
    call->submit(std::move(request), [print = std::move(print)](Call& self, Reply& reply) {
      return print(self, reply, {});
    });
    return;
  }
  const auto options = std::get<tasks::EmbedOptions>(*request.options);
  const auto kept = std::make_shared<Request>(std::move(request));
  with_range(call, model, options,
             [call, kept, print = std::move(print)](const VectorRange& range) {
               call->submit(std::move(*kept), [print, range](Call& self, Reply& reply) {
                 return print(self, reply, range);
               });
             });
}

}  // namespace tamis::serve
