#include "engine/outputs.h"

#include "base/error.h"

namespace tamis::engine {

bool Outputs::has(std::string_view name) const {
  for (const Item& item : items_) {
    if (item.name == name) return true;
  }
  return false;
}

TensorView Outputs::get(std::string_view name) const {
  std::string known;
  for (const Item& item : items_) {
    if (item.name == name) return item.view;
    known += known.empty() ? "" : ", ";
    known += item.name;
  }
  fail(ErrorCode::kNotFound, "the engine has no output \"", name, "\"; it has ", known);
}

std::byte* Outputs::prepare(size_t i, std::string_view name, int64_t rows, int64_t row_elements) {
  if (i >= items_.size()) items_.resize(i + 1);
  Item& item = items_[i];
  if (item.name != name) item.name = name;
  item.memory.reserve(static_cast<size_t>(rows * row_elements) * sizeof(float));
  item.view = TensorView(DType::kF32, {rows, row_elements}, item.memory.data());
  return item.memory.data();
}

void Outputs::truncate(size_t count) {
  if (items_.size() > count) items_.resize(count);
}

}  // namespace tamis::engine
