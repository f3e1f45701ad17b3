#include "model/late_interaction.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/length_limit.h"
#include "formats/hf_config.h"

namespace tamis::api {

namespace {

// PyLate writes a space behind a marker, which is part of the token where that was added so.
std::optional<int32_t> token_of(std::string_view name, const tokenizer::Tokenizer& tokenizer) {
  if (const auto id = tokenizer.token_to_id(name)) return id;
  return tokenizer.token_to_id(name.substr(0, name.find(' ')));
}

tasks::LateSide side(const LateSideConfig& config, const tokenizer::Tokenizer& tokenizer,
                     const std::string& source) {
  tasks::LateSide side;
  side.length = config.length;
  if (config.marker.empty()) return side;
  side.marker = token_of(config.marker, tokenizer);
  if (side.marker) return side;
  fail(ErrorCode::kUnsupported, source, ": the marker ", json_quote(config.marker),
       " is no token of the tokenizer; accepted is one that is");
}

int32_t expansion(const LateInteractionConfig& config, const tokenizer::Tokenizer& tokenizer,
                  const std::string& source) {
  std::optional<int32_t> id;
  if (!config.expansion_token.empty()) {
    id = tokenizer.token_to_id(config.expansion_token);
  } else {
    const tokenizer::SpecialIds& special = tokenizer.special_ids();
    id = special.mask ? special.mask : special.eos;
  }
  if (id) return *id;
  fail(ErrorCode::kUnsupported, source, ": queries are filled up with ",
       config.expansion_token.empty() ? "a mask token" : json_quote(config.expansion_token),
       ", which the tokenizer does not have");
}

tasks::LateInteraction late_interaction(const LateInteractionConfig& config,
                                        const tokenizer::Tokenizer& tokenizer,
                                        const std::string& source) {
  tasks::LateInteraction late;
  late.query = side(config.query, tokenizer, source);
  late.document = side(config.document, tokenizer, source);
  if (config.expand_queries) late.expansion = expansion(config, tokenizer, source);
  late.attend_to_expansion = config.attend_to_expansion;
  const auto unknown = tokenizer.special_ids().unk;
  for (const std::string& word : config.skiplist) {
    const auto id = tokenizer.token_to_id(word);
    if (id && id != unknown) late.skiplist.push_back(*id);
  }
  std::sort(late.skiplist.begin(), late.skiplist.end());
  return late;
}

// A prompt of a side and a marker would both stand before its texts.
void drop_prompts(const std::filesystem::path& folder, Manifest& manifest) {
  for (const char* side : {"query", "document"}) {
    const auto prompt = manifest.prompts.find(side);
    if (prompt == manifest.prompts.end()) continue;
    if (!prompt->second.empty()) {
      fail(ErrorCode::kUnsupported, folder.string(), ": a prompt ", json_quote(side),
           " beside markers of queries and documents is not built; accepted is either");
    }
    manifest.prompts.erase(prompt);
  }
}

// Lengths that a folder names for queries and documents win over the model's, which holds for the
// side that none is named for.
void set_lengths(int64_t positions, Manifest& manifest) {
  const int64_t usual = manifest.max_length;
  if (usual == 0) return;
  int64_t longest = 0;
  tasks::LateInteraction& late = *manifest.late_interaction;
  for (tasks::LateSide* const side : {&late.query, &late.document}) {
    longest = std::max(longest, side->length == 0 ? usual : side->length);
  }
  manifest.max_length = tighter_limit(longest, positions);
  if (manifest.max_length <= usual) return;
  for (tasks::LateSide* const side : {&late.query, &late.document}) {
    if (side->length == 0) side->length = usual;
  }
}

}  // namespace

void set_late_interaction(const LateSource& source, const tokenizer::Tokenizer& tokenizer,
                          Manifest& manifest) {
  if (source.build.token_heads) {
    // BGE-M3 counts all tokens but the first, of queries and documents alike.
    manifest.late_interaction.emplace().skip_first = true;
    return;
  }
  const auto& modules = source.build.sentence_transformer;
  const LateInteractionConfig config = modules && modules->late_interaction
                                           ? *modules->late_interaction
                                           : read_artifact_metadata(source.weights);
  if (!config.query.marker.empty()) drop_prompts(source.folder, manifest);
  manifest.late_interaction = late_interaction(config, tokenizer, source.folder.string());
  if (source.lengths_as_named) set_lengths(source.max_positions, manifest);
}

bool is_colbert(const std::filesystem::path& weights) {
  const std::filesystem::path path = weights / "config.json";
  if (!file_exists(path)) return false;
  const std::vector<std::string> classes = ModelConfig::read(path).architectures;
  return std::find(classes.begin(), classes.end(), "HF_ColBERT") != classes.end();
}

}  // namespace tamis::api
