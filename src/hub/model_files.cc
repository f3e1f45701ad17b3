#include "hub/model_files.h"

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "hub/model_id.h"

namespace tamis::hub {

namespace fs = std::filesystem;

namespace {

// Modules and shards of real models stay far below.
constexpr size_t kMaxModulesBytes = size_t{4} << 20;

enum class Use { kConfig, kTokenizer };

struct SideFile {
  std::string_view name;
  Use use;
};

// Beside the weights, in the model's folder and in those of its modules.
constexpr SideFile kSideFiles[] = {
    {"config.json", Use::kTokenizer},  // model_type decides over the tokenizer's class
    {"modules.json", Use::kTokenizer},
    {"config_sentence_transformers.json", Use::kConfig},
    {"router_config.json", Use::kConfig},
    {"artifact.metadata", Use::kConfig},  // colbert-ai's
    {"sparse_linear.pt", Use::kConfig},   // BGE-M3's
    {"colbert_linear.pt", Use::kConfig},
    {"model_head.pkl", Use::kConfig},  // SetFit's
    {"config_setfit.json", Use::kConfig},
    {"adapter_config.json", Use::kConfig},
    {"chat_template.jinja", Use::kConfig},  // of a reranker of next words
    {"gliner_config.json", Use::kConfig},
    // What these folders are is said by name when they are loaded.
    {"model_index.json", Use::kConfig},
    {"open_clip_config.json", Use::kConfig},
    {"tokenizer.json", Use::kTokenizer},
    {"tokenizer_config.json", Use::kTokenizer},
    {"special_tokens_map.json", Use::kTokenizer},
    {"added_tokens.json", Use::kTokenizer},
    {"vocab.txt", Use::kTokenizer},
    {"vocab.json", Use::kTokenizer},
    {"merges.txt", Use::kTokenizer},
    {"bpe.codes", Use::kTokenizer},
    {"sentencepiece.bpe.model", Use::kTokenizer},
    {"sentencepiece.model", Use::kTokenizer},
    {"spiece.model", Use::kTokenizer},
    {"spm.model", Use::kTokenizer},
    {"tokenizer.model", Use::kTokenizer},
};

bool is_side_file(std::string_view name, Parts parts) {
  // sentence_bert_config.json and its siblings for other families.
  if (name.starts_with("sentence_") && name.ends_with("_config.json")) return true;
  return std::any_of(std::begin(kSideFiles), std::end(kSideFiles), [&](const SideFile& file) {
    return file.name == name && (parts != Parts::kTokenizer || file.use == Use::kTokenizer);
  });
}

class Choice {
 public:
  Choice(const std::set<std::string>& files, Parts parts, std::string_view source,
         const Bring& bring)
      : files_(files), parts_(parts), source_(source), bring_(bring) {}

  std::set<std::string> make() {
    if (has("tamis.json")) {
      add_bundle();
      return std::move(chosen_);
    }
    add_side_files("");
    // An adapter alone may have its base's tokenizer.
    if (!has("config.json") && has("adapter_config.json")) chosen_.insert("adapter_config.json");
    bool weights_in_root = true;
    if (has("modules.json")) {
      weights_in_root = false;
      for (const std::string& folder : module_folders()) {
        if (folder.empty()) weights_in_root = true;
        if (!folder.empty()) add_module(folder + "/");
      }
      if (has("router_config.json")) {
        for (const std::string& folder : routed_folders()) add_module(folder + "/");
      }
    }
    if (weights_in_root && parts_ == Parts::kModel) add_root_weights();
    return std::move(chosen_);
  }

 private:
  bool has(const std::string& name) const { return files_.contains(name); }

  // A bundle's manifest names its files; a repository's own pages are not among them.
  void add_bundle() {
    for (const std::string& name : files_) {
      if (name.find('/') != name.npos || name.front() == '.' || name.ends_with(".md")) continue;
      chosen_.insert(name);
    }
  }

  void add_side_files(const std::string& prefix) {
    for (const std::string& name : files_) {
      if (!name.starts_with(prefix)) continue;
      const std::string_view rest = std::string_view(name).substr(prefix.size());
      if (rest.find('/') == rest.npos && is_side_file(rest, parts_)) chosen_.insert(name);
    }
  }

  // Its folder and those below it: a module may hold others.
  void add_module(const std::string& prefix) {
    std::set<std::string> folders;
    for (const std::string& name : files_) {
      if (name.starts_with(prefix)) folders.insert(name.substr(0, name.rfind('/') + 1));
    }
    for (const std::string& folder : folders) {
      if (parts_ != Parts::kTokenizer) add_adapter(folder);
      // Exports to other engines lie below a transformer's own folder too. A StaticEmbedding has no
      // config.json.
      const bool routed = has(prefix + "router_config.json");
      const bool own = (folder == prefix || routed) && has(folder + "tokenizer.json");
      if (own || has(folder + "config.json") || has(folder + "router_config.json")) {
        add_side_files(folder);
        if (parts_ != Parts::kTokenizer) add_weights(folder);
      }
    }
  }

  std::vector<std::string> module_folders() const {
    const fs::path path = bring_("modules.json");
    const std::string from = cat(source_, ": modules.json");
    const JsonDocument json = JsonDocument::parse(read_file(path, kMaxModulesBytes), from);
    std::vector<std::string> folders;
    for (size_t i = 0; i < json.root().size(); ++i) {
      std::string folder(json.root().at(i).get("path").as_string(cat(from, ": path")));
      while (folder.ends_with('/')) folder.pop_back();
      if (folder == ".") folder.clear();  // as model2vec writes it
      if (!folder.empty() && !is_file_name(folder)) {
        fail(ErrorCode::kCorruptData, from, ": the path ", json_quote(folder.substr(0, 200)),
             " leaves the model's folder");
      }
      folders.push_back(std::move(folder));
    }
    return folders;
  }

  // Of a Router in the model's own folder: its modules' folders have their ids for names.
  std::vector<std::string> routed_folders() const {
    const std::string from = cat(source_, ": router_config.json");
    const JsonDocument json =
        JsonDocument::parse(read_file(bring_("router_config.json"), kMaxModulesBytes), from);
    const JsonView types = json.root().get("types");
    std::vector<std::string> folders;
    for (size_t i = 0; types.is_object() && i < types.size(); ++i) {
      const std::string_view folder = types.member(i).key;
      if (!folder.empty() && is_file_name(folder)) folders.emplace_back(folder);
    }
    return folders;
  }

  // Of PEFT, in this folder.
  void add_adapter(const std::string& prefix) {
    if (!has(prefix + "adapter_config.json")) return;
    for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"}) {
      if (!has(prefix + name)) continue;
      chosen_.insert(prefix + "adapter_config.json");
      chosen_.insert(prefix + name);
      return;
    }
  }

  // The model's own, and one in each folder beside it.
  void add_adapters() {
    constexpr std::string_view kName = "adapter_config.json";
    for (const std::string& name : files_) {
      const size_t folder_end = name.find('/') + 1;  // 0 in the root
      if (std::string_view(name).substr(folder_end) == kName) {
        add_adapter(name.substr(0, folder_end));
      }
    }
  }

  void add_root_weights() {
    add_adapters();
    if (add_weights("")) return;
    // A folder that is refused by its marks is refused when it is read.
    const bool is_model = has("config.json") || has(std::string(kGlinerConfig));
    if (!is_model || has("adapter_config.json")) return;
    std::string accepted;
    for (const WeightNames& names : weight_names()) {
      accepted += cat(accepted.empty() ? "" : ", ", names.file, ", ", names.index);
    }
    fail(ErrorCode::kUnsupported, source_, ": no weights that are read; accepted are ", accepted);
  }

  // The weights that read_weights() would take first.
  bool add_weights(const std::string& prefix) {
    for (const WeightNames& names : weight_names()) {
      const std::string file = prefix + std::string(names.file);
      const std::string index = prefix + std::string(names.index);
      if (has(file)) {
        chosen_.insert(file);
        return true;
      }
      if (!has(index)) continue;
      chosen_.insert(index);
      for (const std::string& shard : shard_files(bring_(index))) {
        if (!is_file_name(shard) || !has(prefix + shard)) {
          fail(ErrorCode::kNotFound, source_, ": ", index, " names the file ",
               json_quote(shard.substr(0, 200)), ", which is not there");
        }
        chosen_.insert(prefix + shard);
      }
      return true;
    }
    return false;
  }

  const std::set<std::string>& files_;
  Parts parts_;
  std::string_view source_;
  const Bring& bring_;
  std::set<std::string> chosen_;
};

}  // namespace

std::set<std::string> choose_files(const std::set<std::string>& files, Parts parts,
                                   std::string_view source, const Bring& bring) {
  return Choice(files, parts, source, bring).make();
}

bool looks_complete(const fs::path& folder, Parts parts) {
  std::set<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (file_exists(at->path())) files.insert(at->path().lexically_relative(folder).string());
  }
  if (files.contains("tamis.json")) return true;
  const bool is_model = std::ranges::any_of(
      std::initializer_list<std::string>{"config.json", "modules.json", "adapter_config.json",
                                         std::string(kGlinerConfig)},
      [&files](const std::string& name) { return files.contains(name); });
  if (!is_model) return false;
  std::set<std::string> chosen;
  try {
    chosen = choose_files(files, parts, folder.string(),
                          [&](const std::string& name) { return folder / name; });
  } catch (const Error&) {
    // Said when it is loaded, if nothing better can be brought.
    return false;
  }
  const auto any = [&](std::initializer_list<std::string_view> ends) {
    return std::any_of(chosen.begin(), chosen.end(), [&](const std::string& name) {
      return std::any_of(ends.begin(), ends.end(),
                         [&](std::string_view end) { return name.ends_with(end); });
    });
  };
  if (!any({"tokenizer.json", "vocab.txt", "vocab.json", ".model"})) return false;
  return parts == Parts::kTokenizer || any({".safetensors", ".bin"});
}

}  // namespace tamis::hub
