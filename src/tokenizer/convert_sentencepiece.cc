// SentencePiece models of XLM-RoBERTa, CamemBERT and ALBERT: each family numbers its pieces anew.
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "base/base64.h"
#include "base/error.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/convert.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/sentencepiece.h"

namespace tamis::tokenizer {

namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";

struct ScoredPiece {
  std::string_view text;
  double score;
};

struct Family {
  std::vector<ScoredPiece> vocab;
  int64_t unk_id;
  std::string_view cls;
  std::string_view sep;
  std::string_view pad;
  std::string_view unk;
  std::string_view mask;
  /// ALBERT: one separator and segment ids; the others: two separators and type 0.
  bool albert;
};

/// fairseq's order: <s> <pad> </s> <unk>, then the pieces behind the model's first three.
Family xlm_roberta(const SentencePieceModel& model) {
  Family family{{{"<s>", 0}, {"<pad>", 0}, {"</s>", 0}, {"<unk>", 0}},
                3,
                "<s>",
                "</s>",
                "<pad>",
                "<unk>",
                "<mask>",
                false};
  for (size_t i = 3; i < model.pieces.size(); ++i) {
    family.vocab.push_back({model.pieces[i].text, model.pieces[i].score});
  }
  family.vocab.push_back({"<mask>", 0});
  return family;
}

/// Four unused or moved entries, then the pieces behind the model's unknown one.
Family camembert(const SentencePieceModel& model) {
  Family family{
      {{"<s>NOTUSED", 0}, {"<pad>", 0}, {"</s>NOTUSED", 0}, {"<unk>", 0}, {"<unk>NOTUSED", -100}},
      3,
      "<s>",
      "</s>",
      "<pad>",
      "<unk>",
      "<mask>",
      false};
  for (size_t i = 1; i < model.pieces.size(); ++i) {
    family.vocab.push_back({model.pieces[i].text, model.pieces[i].score});
  }
  family.vocab.push_back({"<mask>", 0});
  return family;
}

/// True unless the piece ends in a comma after a digit, which ALBERT avoids.
bool may_end_so(std::string_view piece) {
  const size_t size = piece.size();
  return size < 2 || piece[size - 1] != ',' || piece[size - 2] < '0' || piece[size - 2] > '9';
}

Family albert(const SentencePieceModel& model) {
  Family family{{}, model.unk_id, "[CLS]", "[SEP]", "<pad>", "<unk>", "[MASK]", true};
  for (const auto& piece : model.pieces) {
    const double penalty = may_end_so(piece.text) ? 0 : 100;
    family.vocab.push_back({piece.text, piece.score - penalty});
  }
  return family;
}

struct FamilyRow {
  std::string_view model_type;
  std::string_view tokenizer_class;
  Family (*make)(const SentencePieceModel&);
};

constexpr FamilyRow kFamilies[] = {{"xlm-roberta", "XLMRobertaTokenizer", xlm_roberta},
                                   {"camembert", "CamembertTokenizer", camembert},
                                   {"albert", "AlbertTokenizer", albert}};

Family family_of(const SentencePieceModel& model, const SideFiles& files,
                 const std::string& source) {
  const std::string_view type = string_field_or(files.model_config, "model_type", "", source);
  std::string_view name = string_field_or(files.tokenizer_config, "tokenizer_class", "", source);
  if (name.ends_with("Fast")) name.remove_suffix(4);
  for (const FamilyRow& row : kFamilies) {
    if (row.model_type == type || (type.empty() && row.tokenizer_class == name)) {
      return row.make(model);
    }
  }
  fail(ErrorCode::kUnsupported, source, ": a SentencePiece model of model_type ", json_quote(type),
       "; only xlm-roberta, camembert and albert are supported without a tokenizer.json");
}

void write_added(JsonWriter& json, const SentencePieceModel& model, const Family& family) {
  std::set<std::string_view> done;
  std::map<std::string_view, int64_t> vocab;
  for (size_t i = 0; i < family.vocab.size(); ++i) {
    vocab[family.vocab[i].text] = static_cast<int64_t>(i);
  }
  const auto add = [&](std::string_view token, bool lstrip, bool special) {
    const auto found = vocab.find(token);
    if (found == vocab.end() || !done.insert(token).second) return;
    json.begin_object()
        .member("id", found->second)
        .member("content", token)
        .member("single_word", false);
    json.member("lstrip", lstrip).member("rstrip", false).member("normalized", false);
    json.member("special", special).end_object();
  };
  json.key("added_tokens").begin_array();
  add(family.cls, false, true);
  add(family.sep, false, true);
  add(family.unk, false, true);
  add(family.pad, false, true);
  add(family.mask, true, true);
  for (const auto& piece : model.pieces) {
    if (piece.type == SentencePieceType::kControl) add(piece.text, false, true);
    if (piece.type == SentencePieceType::kUserDefined) add(piece.text, false, false);
  }
  json.end_array();
}

void write_replace(JsonWriter& json, std::string_view kind, std::string_view pattern,
                   std::string_view content) {
  json.begin_object().member("type", "Replace").key("pattern").begin_object();
  json.member(kind, pattern).end_object().member("content", content).end_object();
}

void write_type(JsonWriter& json, std::string_view type) {
  json.begin_object().member("type", type).end_object();
}

void write_normalizer(JsonWriter& json, const SentencePieceModel& model, const Family& family,
                      const SideFiles& files, const std::string& source) {
  json.key("normalizer").begin_object().member("type", "Sequence");
  json.key("normalizers").begin_array();
  if (family.albert) {
    write_replace(json, "String", "``", "\"");
    write_replace(json, "String", "''", "\"");
    if (!bool_field_or(files.tokenizer_config, "keep_accents", false, source)) {
      write_type(json, "NFKD");
      write_type(json, "StripAccents");
    }
    if (bool_field_or(files.tokenizer_config, "do_lower_case", true, source)) {
      write_type(json, "Lowercase");
    }
  }
  if (!model.charsmap.empty()) {
    json.begin_object().member("type", "Precompiled");
    json.member("precompiled_charsmap", encode_base64(model.charsmap)).end_object();
  }
  if (family.albert) {
    write_replace(json, "Regex", " {2,}", " ");
  } else {
    json.begin_object().member("type", "Strip").member("strip_left", false);
    json.member("strip_right", true).end_object();
    write_replace(json, "Regex", " {2,}", kMetaspace);
  }
  json.end_array().end_object();
}

void write_metaspace(JsonWriter& json, std::string_view key) {
  json.key(key).begin_object().member("type", "Metaspace").member("replacement", kMetaspace);
  json.member("prepend_scheme", "always").member("split", true).end_object();
}

int64_t id_of(const Family& family, std::string_view token, const std::string& source) {
  // As a hash map of the pieces would: the last of equal ones.
  for (size_t i = family.vocab.size(); i > 0; --i) {
    if (family.vocab[i - 1].text == token) return static_cast<int64_t>(i - 1);
  }
  fail(ErrorCode::kCorruptData, source, ": no piece ", json_quote(token));
}

void write_post_processor(JsonWriter& json, const Family& family, const std::string& source) {
  struct Part {
    std::string_view id;
    int type_id;
  };
  const auto write = [&](std::string_view key, const std::vector<Part>& parts) {
    json.key(key).begin_array();
    for (const Part& part : parts) {
      const bool sequence = part.id == "A" || part.id == "B";
      json.begin_object().key(sequence ? "Sequence" : "SpecialToken").begin_object();
      json.member("id", part.id).member("type_id", part.type_id).end_object().end_object();
    }
    json.end_array();
  };
  json.key("post_processor").begin_object().member("type", "TemplateProcessing");
  write("single", {{family.cls, 0}, {"A", 0}, {family.sep, 0}});
  if (family.albert) {
    write("pair", {{family.cls, 0}, {"A", 0}, {family.sep, 0}, {"B", 1}, {family.sep, 1}});
  } else {
    write("pair",
          {{family.cls, 0}, {"A", 0}, {family.sep, 0}, {family.sep, 0}, {"B", 0}, {family.sep, 0}});
  }
  json.key("special_tokens").begin_object();
  for (const std::string_view token : {family.cls, family.sep}) {
    json.key(token).begin_object().member("id", token).key("ids").begin_array();
    json.value(id_of(family, token, source)).end_array();
    json.key("tokens").begin_array().value(token).end_array().end_object();
  }
  json.end_object().end_object();
}

}  // namespace

std::string convert_sentencepiece(std::string_view bytes, const SideFiles& files,
                                  const std::string& source) {
  const SentencePieceModel model = parse_sentencepiece(bytes, source);
  constexpr int32_t kUnigram = 1;
  if (model.algorithm != kUnigram) {
    fail(ErrorCode::kUnsupported, source, ": SentencePiece algorithm ", model.algorithm,
         " is not supported; only unigram (1) is");
  }
  const Family family = family_of(model, files, source);
  JsonWriter json;
  json.begin_object().member("version", "1.0");
  write_added(json, model, family);
  write_normalizer(json, model, family, files, source);
  write_metaspace(json, "pre_tokenizer");
  write_post_processor(json, family, source);
  write_metaspace(json, "decoder");
  json.key("model").begin_object().member("type", "Unigram").member("unk_id", family.unk_id);
  json.key("vocab").begin_array();
  for (const ScoredPiece& piece : family.vocab) {
    if (!std::isfinite(piece.score)) {
      fail(ErrorCode::kCorruptData, source, ": the score of piece ", json_quote(piece.text),
           " is not a number");
    }
    json.begin_array().value(piece.text).value(piece.score).end_array();
  }
  json.end_array().member("byte_fallback", false).end_object().end_object();
  return json.take();
}

}  // namespace tamis::tokenizer
