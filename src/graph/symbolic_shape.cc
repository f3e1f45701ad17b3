#include "graph/symbolic_shape.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::graph {

SymbolicShape::SymbolicShape(std::initializer_list<Dim> dims) : rank_(dims.size()) {
  TAMIS_CHECK(rank_ <= dims_.size());
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

SymbolicShape::SymbolicShape(std::span<const int64_t> sizes) : rank_(sizes.size()) {
  TAMIS_CHECK(rank_ <= dims_.size());
  std::transform(sizes.begin(), sizes.end(), dims_.begin(),
                 [](int64_t size) { return Dim::of(size); });
}

Symbol SymbolicShape::symbol() const {
  for (size_t i = 0; i < rank_; ++i) {
    if (!dims_[i].is_const()) return dims_[i].symbol;
  }
  return Symbol::kConst;
}

int64_t SymbolicShape::elements_per_unit() const {
  int64_t product = 1;
  for (size_t i = 0; i < rank_; ++i) {
    if (dims_[i].is_const()) product *= dims_[i].size;
  }
  return product;
}

std::string_view symbol_name(Symbol symbol) {
  switch (symbol) {
    case Symbol::kConst:
      return "";
    case Symbol::kSequences:
      return "B";
    case Symbol::kTokens:
      return "T";
    case Symbol::kPairs:
      return "A";
    case Symbol::kSelected:
      return "S";
    case Symbol::kFirst:
      return "F";
  }
  return "";
}

std::string SymbolicShape::to_string() const {
  std::string text = "[";
  for (size_t i = 0; i < rank_; ++i) {
    if (i != 0) text += ", ";
    text += dims_[i].is_const() ? cat(dims_[i].size) : std::string(symbol_name(dims_[i].symbol));
  }
  return text + "]";
}

}  // namespace tamis::graph
