// KServe's protobuf messages to and from what REST and gRPC share.
#pragma once

#include "kserve.pb.h"
#include "serve/dialects/kserve/kserve_model.h"
#include "serve/dialects/kserve/kserve_tensor.h"

namespace tamis::serve {

/// Throws kInvalidArgument: contents that do not suit the datatype, raw contents beside typed ones
/// or not one an input, parameters out of their range.
[[nodiscard]] KserveRequest read_infer_request(const inference::ModelInferRequest& message);

/// Outputs go into raw_output_contents.
void write_infer_response(KserveResponse&& response, inference::ModelInferResponse& message);

void write_metadata(const KserveMetadata& metadata, inference::ModelMetadataResponse& message);
void write_config(const KserveMetadata& metadata, inference::ModelConfig& message);
void write_statistics(const KserveTarget& target, inference::ModelStatistics& message);

}  // namespace tamis::serve
