#include "tokenizer/convert/class_json.h"

#include <set>

namespace tamis::tokenizer {

namespace {

bool is_sequence(const Part& part) { return part.id == "$A" || part.id == "$B"; }

void write_pattern(JsonWriter& json, std::string_view kind, std::string_view pattern,
                   std::string_view content) {
  json.begin_object().member("type", "Replace").key("pattern").begin_object();
  json.member(kind, pattern).end_object().member("content", content).end_object();
}

void write_parts(JsonWriter& json, std::string_view key, std::span<const Part> parts) {
  json.key(key).begin_array();
  for (const Part& part : parts) {
    const bool sequence = is_sequence(part);
    json.begin_object().key(sequence ? "Sequence" : "SpecialToken").begin_object();
    json.member("id", sequence ? part.id.substr(1) : part.id).member("type_id", part.type_id);
    json.end_object().end_object();
  }
  json.end_array();
}

void write_wrapping(JsonWriter& json, const Wrapping& wrap) {
  json.key("sep").begin_array().value(wrap.last).value(wrap.last_id).end_array();
  json.key("cls").begin_array().value(wrap.first).value(wrap.first_id).end_array();
}

}  // namespace

void write_type(JsonWriter& json, std::string_view type) {
  json.begin_object().member("type", type).end_object();
}

void write_replace(JsonWriter& json, std::string_view text, std::string_view content) {
  write_pattern(json, "String", text, content);
}

void write_replace_regex(JsonWriter& json, std::string_view regex, std::string_view content) {
  write_pattern(json, "Regex", regex, content);
}

void write_strip(JsonWriter& json, bool left, bool right) {
  json.begin_object().member("type", "Strip").member("strip_left", left);
  json.member("strip_right", right).end_object();
}

void write_charsmap(JsonWriter& json, const JsonView& charsmap) {
  json.begin_object().member("type", "Precompiled");
  json.member("precompiled_charsmap", charsmap).end_object();
}

void write_metaspace(JsonWriter& json, std::string_view scheme, bool split) {
  json.begin_object().member("type", "Metaspace").member("replacement", kMetaspace);
  json.member("prepend_scheme", scheme).member("split", split).end_object();
}

void write_byte_level(JsonWriter& json, bool add_prefix_space, bool use_regex) {
  json.begin_object().member("type", "ByteLevel").member("add_prefix_space", add_prefix_space);
  json.member("trim_offsets", true).member("use_regex", use_regex).end_object();
}

JsonView charsmap_of(const JsonView& normalizer) {
  const JsonView list = normalizer.get("normalizers");
  if (!list.is_array()) return normalizer.get("precompiled_charsmap");
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonView charsmap = list.at(i).get("precompiled_charsmap");
    if (charsmap.is_string()) return charsmap;
  }
  return {};
}

std::string template_processing(std::span<const Part> single, std::span<const Part> pair,
                                const IdOf& id_of) {
  JsonWriter json;
  json.begin_object().member("type", "TemplateProcessing");
  write_parts(json, "single", single);
  write_parts(json, "pair", pair);
  json.key("special_tokens").begin_object();
  std::set<std::string_view> written;
  for (const std::span<const Part> parts : {single, pair}) {
    for (const Part& part : parts) {
      if (is_sequence(part) || !written.insert(part.id).second) continue;
      json.key(part.id).begin_object().member("id", part.id).key("ids").begin_array();
      json.value(id_of(part.id)).end_array().key("tokens").begin_array().value(part.id);
      json.end_array().end_object();
    }
  }
  json.end_object().end_object();
  return json.take();
}

std::string bert_processing(const Wrapping& wrap) {
  JsonWriter json;
  json.begin_object().member("type", "BertProcessing");
  write_wrapping(json, wrap);
  json.end_object();
  return json.take();
}

std::string roberta_processing(const Wrapping& wrap, bool trim_offsets, bool add_prefix_space) {
  JsonWriter json;
  json.begin_object().member("type", "RobertaProcessing");
  write_wrapping(json, wrap);
  json.member("trim_offsets", trim_offsets).member("add_prefix_space", add_prefix_space);
  json.end_object();
  return json.take();
}

}  // namespace tamis::tokenizer
