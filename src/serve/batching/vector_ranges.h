// The ranges by which a model's vectors are made 8-bit ones.
//
// Is: a store of what was worked out. Is not: the working out (vector_answer). May use: request.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "math/vector_types.h"
#include "serve/batching/request.h"

namespace tamis::serve {

/// Thread-safe.
class VectorRanges {
 public:
  /// The model's own rows for texts that are built in; null: nobody asked yet.
  [[nodiscard]] std::shared_ptr<const RawOutput> sample() const;
  void set_sample(RawOutput rows);

  /// The range under these options, of which dimensions and normalize count; null: not known.
  [[nodiscard]] std::shared_ptr<const math::VectorRange> find(
      const tasks::EmbedOptions& options) const;
  /// Keeps some of the last.
  void add(const tasks::EmbedOptions& options, std::shared_ptr<const math::VectorRange> range);

 private:
  using Key = std::pair<int64_t, int>;
  [[nodiscard]] static Key key_of(const tasks::EmbedOptions& options);

  mutable std::mutex mutex_;
  std::shared_ptr<const RawOutput> sample_;
  std::map<Key, std::shared_ptr<const math::VectorRange>> ranges_;
};

}  // namespace tamis::serve
