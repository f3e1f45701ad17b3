#include "models/weights.h"

#include <cstring>

#include "base/error.h"
#include "tensor/widened.h"

namespace tamis::models {

namespace {

constexpr std::string_view kAcceptedDtypes = "F32, F16, BF16 or F64";

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 ||
         dtype == DType::kF64;
}

bool is_layer_norm(std::string_view name) {
  return name.find("LayerNorm") != name.npos || name.find("layer_norm") != name.npos;
}

// TensorFlow's names, which checkpoints converted before 2019 keep.
std::string tensorflow_spelling(std::string_view name) {
  const std::string_view module = name.substr(0, name.rfind('.') + 1);
  return cat(module, name.ends_with(".weight") ? "gamma" : "beta");
}

// Each part once, where it first is.
std::string respelled(std::string name, std::span<const Respelling> respellings) {
  for (const Respelling& row : respellings) {
    const size_t at = name.find(row.name);
    if (at != name.npos) name.replace(at, row.name.size(), row.other);
  }
  return name;
}

}  // namespace

std::vector<std::string> Weights::spellings(std::string_view name) const {
  std::vector<std::string> found = {std::string(name)};
  if (name.starts_with(prefix_) && name.substr(prefix_.size()).starts_with('.')) {
    found.emplace_back(name.substr(prefix_.size() + 1));
  }
  if (!respellings_.empty()) {
    const size_t plain = found.size();
    for (size_t i = 0; i < plain; ++i) {
      std::string other = respelled(found[i], respellings_);
      if (other != found[i]) found.push_back(std::move(other));
    }
  }
  if (!is_layer_norm(name)) return found;
  const size_t count = found.size();
  for (size_t i = 0; i < count; ++i) found.push_back(tensorflow_spelling(found[i]));
  return found;
}

std::string Weights::stored_name(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    for (std::string& spelling : spellings(name)) {
      if (checkpoint_.has(spelling)) return std::move(spelling);
    }
  }
  return "";
}

std::string Weights::spelled(std::initializer_list<std::string_view> names) const {
  std::string list;
  for (const std::string_view name : names) {
    for (const std::string& spelling : spellings(name)) {
      list += cat(list.empty() ? "\"" : ", \"", spelling, "\"");
    }
  }
  return list;
}

Weights::Found Weights::find(std::initializer_list<std::string_view> names,
                             const Shape& shape) const {
  const std::string name = stored_name(names);
  const std::string folder = checkpoint_.folder().string();
  if (name.empty()) {
    fail(ErrorCode::kCorruptData, folder, ": no tensor \"", *names.begin(),
         "\" in the weights; looked for ", spelled(names), " of shape ", shape.to_string());
  }
  // Shape and dtype first: the values are read only for what is used.
  std::string what = cat(folder, ": tensor \"", name, "\"");
  const TensorView view = *checkpoint_.find(name);
  if (view.shape() != shape || !is_float(view.dtype())) {
    fail(ErrorCode::kCorruptData, what, " is ", dtype_name(view.dtype()), view.shape().to_string(),
         "; expected ", kAcceptedDtypes, " ", shape.to_string(), ", as config.json says");
  }
  return {checkpoint_.tensor(name), std::move(what)};
}

std::shared_ptr<const Tensor> Weights::load(std::initializer_list<std::string_view> names,
                                            const Shape& shape) const {
  const Found found = find(names, shape);
  return as_float32(found.tensor, shape, found.what);
}

std::shared_ptr<const Tensor> Weights::load_stored(std::initializer_list<std::string_view> names,
                                                   const Shape& shape) const {
  const Found found = find(names, shape);
  return is_stored_float(found.tensor->dtype()) ? found.tensor
                                                : as_float32(found.tensor, shape, found.what);
}

int64_t Weights::rows(std::string_view name) const {
  const std::string stored = stored_name({name});
  const auto view = stored.empty() ? std::nullopt : checkpoint_.find(stored);
  return view && view->shape().rank() > 0 ? view->shape()[0] : 0;
}

bool Weights::same(std::string_view left, std::string_view right) const {
  const auto a = checkpoint_.find(stored_name({left}));
  const auto b = checkpoint_.find(stored_name({right}));
  return a && b && a->dtype() == b->dtype() && a->shape() == b->shape() &&
         std::memcmp(a->data(), b->data(), a->size_bytes()) == 0;
}

std::shared_ptr<const Tensor> as_float32(const std::shared_ptr<const Tensor>& tensor,
                                         const Shape& shape, std::string_view what) {
  if (tensor->shape() != shape || !is_float(tensor->dtype())) {
    fail(ErrorCode::kCorruptData, what, " is ", dtype_name(tensor->dtype()),
         tensor->shape().to_string(), "; expected ", kAcceptedDtypes, " ", shape.to_string());
  }
  auto converted = widened(tensor);
  if (tensor->dtype() == DType::kF64 && first_non_finite(converted->view())) {
    fail(ErrorCode::kCorruptData, what, " is F64 and holds values beyond float32");
  }
  return converted;
}

}  // namespace tamis::models
