#include "formats/dense_module.h"

#include "base/error.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/hf_config.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr KeyRow kDenseKeys[] = {
    honored("in_features"),         honored("out_features"), honored("bias"),
    honored("activation_function"), honored("use_residual"), honored("module_input_name"),
    honored("module_output_name"),
};
static_assert(keys_are_distinct(kDenseKeys));

}  // namespace

bool reads_tokens(const ConfigObject& file, bool usual) {
  const std::string of_tokens = "token_embeddings";
  const std::string pooled = "sentence_embedding";
  const std::string input = file.text("module_input_name").value_or(usual ? of_tokens : pooled);
  const std::string output = file.text("module_output_name").value_or(input);
  if (output == input && (input == of_tokens || input == pooled)) return input == of_tokens;
  fail(ErrorCode::kUnsupported, file.source(), ": module_input_name ", json_quote(input),
       " with module_output_name ", json_quote(output),
       " is not built; accepted are \"token_embeddings\" or \"sentence_embedding\" as both");
}

std::shared_ptr<const Tensor> module_tensor(const std::vector<StoredTensor>& weights,
                                            std::string_view name, const Shape& shape,
                                            const fs::path& folder) {
  for (const StoredTensor& stored : weights) {
    if (stored.name != name) continue;
    const auto& tensor = usable_tensor(stored);
    if (tensor->shape() != shape) {
      fail(ErrorCode::kCorruptData, stored.source, ": tensor \"", name, "\" has the shape ",
           tensor->shape().to_string(), ", config.json asks for ", shape.to_string());
    }
    const DType dtype = tensor->dtype();
    if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16 &&
        dtype != DType::kF64) {
      fail(ErrorCode::kUnsupported, stored.source, ": tensor \"", name, "\" has dtype ",
           dtype_name(dtype), "; accepted are F32, F16, BF16 and F64");
    }
    require_finite(stored);
    return tensor;
  }
  fail(ErrorCode::kNotFound, folder.string(), ": no tensor \"", name, "\" in the weights");
}

DenseConfig read_dense(const fs::path& folder, std::string_view name, bool by_token) {
  const ConfigFile file(folder / "config.json");
  file->check(kDenseKeys);
  DenseConfig dense;
  dense.folder = name;
  dense.by_token = reads_tokens(file.root(), by_token);
  const auto in = file->count("in_features", kMaxFeatures);
  const auto out = file->count("out_features", kMaxFeatures);
  if (!in || !out) {
    fail(ErrorCode::kCorruptData, file->source(), ": in_features and out_features are needed");
  }
  dense.in_features = *in;
  dense.out_features = *out;
  if (const auto path = file->text("activation_function")) {
    const auto activation = activation_from_python_path(*path);
    if (!activation) {
      fail(ErrorCode::kUnsupported, file->what("activation_function"), " ",
           json_quote(path->substr(0, 200)), " is not built; accepted are ",
           known_python_activations());
    }
    dense.activation = *activation;
  }
  const std::vector<StoredTensor> weights = read_weights(folder);
  dense.weight = module_tensor(weights, "linear.weight", {*out, *in}, folder);
  if (file->flag("bias", true)) dense.bias = module_tensor(weights, "linear.bias", {*out}, folder);
  dense.use_residual = file->flag("use_residual", false);
  if (dense.use_residual && *in != *out) {
    dense.residual = module_tensor(weights, "residual.weight", {*out, *in}, folder);
  }
  return dense;
}

}  // namespace tamis
