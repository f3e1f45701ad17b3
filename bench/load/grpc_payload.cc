#include "kserve.pb.h"
#include "load/payload.h"

namespace tamis::load {

std::string grpc_payload(const std::vector<std::string>& texts, const PayloadOptions& options) {
  inference::ModelInferRequest request;
  request.set_model_name(options.model);
  auto* input = request.add_inputs();
  input->set_name("text");
  input->set_datatype("BYTES");
  // As Triton's own clients ask a model whose rows have one text.
  input->add_shape(static_cast<int64_t>(texts.size()));
  input->add_shape(1);
  request.add_raw_input_contents(bytes_tensor(texts));
  auto& parameters = *request.mutable_parameters();
  if (options.timeout_us > 0) parameters["timeout"].set_int64_param(options.timeout_us);
  if (options.priority > 0) {
    parameters["priority"].set_uint64_param(static_cast<uint64_t>(options.priority));
  }
  return request.SerializeAsString();
}

}  // namespace tamis::load
