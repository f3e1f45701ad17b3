#include "models/families.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "models/builder.h"
#include "models/models.h"
#include "models/outside_graphs.h"
#include "models/unused_weights.h"

namespace tamis::models {

namespace {

constexpr Family kFamilies[] = {
#define X(model_type, prefix, parts) {model_type, prefix, &(parts)},
#include "models/families.inc"
#undef X
};

// Null where no row has the model_type.
const Family* first_family(std::string_view model_type) {
  const auto found = std::ranges::find(kFamilies, model_type, &Family::model_type);
  return found == std::end(kFamilies) ? nullptr : &*found;
}

bool shows_prefix(const Checkpoint& checkpoint, const Family& family) {
  const std::string prefix = cat(family.prefix, ".");
  return std::ranges::any_of(checkpoint.names(),
                             [&](const std::string& name) { return name.starts_with(prefix); });
}

// Whether the family's tables have every key of config.json, and its encoder reads every tensor but
// those of heads, each in its shape.
bool fits(const Checkpoint& checkpoint, const Family& family) {
  if (!knows_all_keys(family.model_type, checkpoint.config().fields)) return false;
  try {
    const Checkpoint other = checkpoint.read_as(family.model_type);
    const BuildOptions options;
    Builder b(other, family, options);
    (void)family.parts->encoder(b);
    return !b.used().empty() && reads_all(other, family.prefix, b.used());
  } catch (const Error&) {
    return false;  // a value or a shape that the family does not take
  }
}

// "; looks like roberta: try --family roberta", "" if nothing fits.
std::string likeness(const Checkpoint& checkpoint) {
  std::string names;
  std::string_view last;
  for (const Family& family : kFamilies) {
    if (family.model_type == last || !fits(checkpoint, family)) continue;
    names += cat(names.empty() ? "" : " or ", family.model_type);
    last = family.model_type;
  }
  if (names.empty()) return "";
  return cat("; keys and tensors are those of ", names, ": if it is one, try --family ",
             names.find(' ') == names.npos ? names : std::string("with its name"));
}

}  // namespace

const Family& find_family(const Checkpoint& checkpoint) {
  const std::string_view model_type = checkpoint.config().model_type;
  const Family* found = nullptr;
  for (const Family& family : kFamilies) {
    if (family.model_type != model_type) continue;
    if (shows_prefix(checkpoint, family)) return family;
    if (found == nullptr) found = &family;
  }
  if (found != nullptr) return *found;
  fail(ErrorCode::kUnsupported, (checkpoint.folder() / "config.json").string(), ": model_type \"",
       model_type.substr(0, 200), "\" is not built; accepted are ", known_families(),
       likeness(checkpoint));
}

std::string_view encoder_prefix(std::string_view model_type) {
  const Family* const family = first_family(model_type);
  return family == nullptr ? "" : family->prefix;
}

int64_t max_positions(const Family& family, const ModelConfig& config) {
  const auto own = family.parts->max_positions;
  return own == nullptr ? config.max_position_embeddings : own(config);
}

int64_t max_positions(const ModelConfig& config) {
  const Family* const family = first_family(config.model_type);
  return family == nullptr ? config.max_position_embeddings : max_positions(*family, config);
}

std::string known_families() {
  std::string names;
  std::string_view last;
  for (const Family& family : kFamilies) {
    if (family.model_type == last) continue;
    names += cat(names.empty() ? "" : ", ", family.model_type);
    last = family.model_type;
  }
  return names;
}

}  // namespace tamis::models
