#include "formats/checkpoint.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "formats/adapter_base.h"
#include "formats/peft_adapter.h"
#include "formats/pytorch/pytorch_bin.h"
#include "formats/safetensors.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

// Weight maps of real models stay under 1 MB.
constexpr size_t kMaxIndexBytes = size_t{64} << 20;

using ReadFile = std::vector<StoredTensor> (*)(const fs::path&);

std::vector<StoredTensor> read_safetensors_file(const fs::path& path) {
  return read_safetensors(path).tensors;
}

struct WeightFormat {
  WeightNames names;
  ReadFile read;
};

// In the order of preference.
constexpr WeightFormat kWeightFormats[] = {
    {{"model.safetensors", "model.safetensors.index.json"}, read_safetensors_file},
    {{"pytorch_model.bin", "pytorch_model.bin.index.json"}, read_pytorch_bin},
};

// Files by which a folder without config.json shows what it is.
struct ForeignFile {
  std::string_view name;
  std::string_view what;
};
constexpr ForeignFile kForeignFiles[] = {
    {"adapter_config.json",
     "a PEFT adapter, read with the base that it names; here accepted are a checkpoint and what "
     "merge_and_unload() saves"},
    {"model_index.json", "a diffusers pipeline, which is not built; accepted are text encoders"},
    {"open_clip_config.json", "an OpenCLIP model, which is not built; accepted are text encoders"},
};

struct WeightMap {
  std::map<std::string, std::string, std::less<>> file_of;  // by tensor
  std::set<std::string> files;
};

WeightMap read_weight_map(const fs::path& index) {
  const std::string source = index.string();
  const std::string text = read_file(index, kMaxIndexBytes);
  const JsonDocument json = JsonDocument::parse(text, source);
  const JsonView map = json.root().get("weight_map");
  if (!map.is_object()) {
    fail(ErrorCode::kCorruptData, source,
         ": must be an object with a weight_map from tensor to file");
  }
  WeightMap weights;
  for (size_t i = 0; i < map.size(); ++i) {
    const JsonView::Member member = map.member(i);
    const std::string file(member.value.as_string(source + ": a file in weight_map"));
    (void)path_inside(index.parent_path(), file, source);
    weights.file_of.emplace(member.key, file);
    weights.files.insert(file);
  }
  return weights;
}

// A tensor is taken from the shard that the map names; what a shard holds beside is taken too if no
// other shard is named for it, as transformers does.
std::vector<StoredTensor> read_shards(const fs::path& index, ReadFile read) {
  const fs::path folder = index.parent_path();
  const std::string source = index.string();
  const WeightMap weights = read_weight_map(index);
  std::vector<StoredTensor> all;
  std::set<std::string> seen;
  for (const std::string& file : weights.files) {
    const fs::path path = path_inside(folder, file, source);
    if (!file_exists(path)) {
      fail(ErrorCode::kNotFound, path.string(), ": no such file, but ", source, " names it");
    }
    for (StoredTensor& tensor : read(path)) {
      const auto mapped = weights.file_of.find(tensor.name);
      if (mapped != weights.file_of.end() && mapped->second != file) continue;
      if (seen.insert(tensor.name).second) all.push_back(std::move(tensor));
    }
  }
  for (const auto& [name, file] : weights.file_of) {
    if (!seen.contains(name)) {
      fail(ErrorCode::kCorruptData, source, ": tensor ", json_quote(name), " is not in ",
           json_quote(file), ", where weight_map puts it");
    }
  }
  return all;
}

}  // namespace

std::vector<WeightNames> weight_names() {
  std::vector<WeightNames> all;
  for (const WeightFormat& format : kWeightFormats) all.push_back(format.names);
  return all;
}

std::set<std::string> shard_files(const fs::path& index) { return read_weight_map(index).files; }

std::vector<StoredTensor> read_weights(const fs::path& folder) {
  std::string accepted;
  for (const WeightFormat& format : kWeightFormats) {
    const auto& [file, index] = format.names;
    if (file_exists(folder / file)) return format.read(folder / file);
    if (file_exists(folder / index)) return read_shards(folder / index, format.read);
    accepted += cat(accepted.empty() ? "" : ", ", file, ", ", index);
  }
  fail(ErrorCode::kNotFound, folder.string(), ": no weights here; accepted are ", accepted);
}

void refuse_foreign_folder(const fs::path& folder) {
  for (const ForeignFile& file : kForeignFiles) {
    if (!file_exists(folder / file.name)) continue;
    fail(ErrorCode::kUnsupported, (folder / file.name).string(), ": ", file.what);
  }
}

Checkpoint::Checkpoint(fs::path folder, ModelConfig config, std::vector<StoredTensor> tensors)
    : folder_(std::move(folder)), config_(std::move(config)) {
  for (StoredTensor& tensor : tensors) {
    std::string name = tensor.name;
    tensors_.emplace(std::move(name), std::move(tensor));
  }
}

namespace {

std::string list_of(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += cat(list.empty() ? "" : ", ", name.substr(0, 200));
  return list;
}

void apply_adapter(const fs::path& folder, const std::string& name,
                   std::vector<StoredTensor>& tensors) {
  const std::vector<std::string> names = adapter_names(folder);
  if (name.empty()) {
    if (!names.empty()) {
      log(LogLevel::kWarning, cat(folder.string(), ": the adapters ", list_of(names),
                                  " are not applied; --adapter NAME applies one"));
    }
    return apply_peft_adapter(folder, tensors);
  }
  if (std::ranges::find(names, name) == names.end()) {
    fail(ErrorCode::kNotFound, folder.string(), ": no adapter ", json_quote(name.substr(0, 200)),
         names.empty() ? "; the folder has none" : cat("; it has ", list_of(names)));
  }
  apply_peft_adapter(folder / name, tensors);
}

// PEFT's names are those of the encoder inside the package's class.
void refuse_adapters(const fs::path& folder, const std::string& name) {
  if (name.empty() && !file_exists(folder / "adapter_config.json")) return;
  fail(
      ErrorCode::kUnsupported, folder.string(), ": ",
      name.empty() ? "adapter_config.json" : cat("--adapter ", name),
      ": adapters of a GLiNER model are not built; accepted are weights that they are merged into");
}

}  // namespace

std::shared_ptr<const Checkpoint> Checkpoint::open_gliner(const fs::path& folder,
                                                          const CheckpointOptions& options) {
  const ConfigFields fields = read_gliner_fields(folder);
  const GlinerConfig gliner = GlinerConfig::of(fields);
  ModelConfig config = read_gliner_encoder(fields, folder, options.family);
  std::vector<StoredTensor> tensors = read_weights(folder);
  for (StoredTensor& tensor : tensors) {
    if (tensor.name.starts_with(kGlinerEncoder)) tensor.name.erase(0, kGlinerEncoder.size());
  }
  refuse_adapters(folder, options.adapter);
  auto checkpoint = std::make_shared<Checkpoint>(folder, std::move(config), std::move(tensors));
  checkpoint->gliner_ = gliner;
  return checkpoint;
}

std::shared_ptr<const Checkpoint> Checkpoint::open(const fs::path& folder,
                                                   const CheckpointOptions& options) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail(ErrorCode::kNotFound, folder.string(),
         ": no such folder; a model is a folder with "
         "config.json and model.safetensors");
  }
  if (is_gliner(folder)) return open_gliner(folder, options);
  const fs::path& base = options.base.empty() ? folder : options.base;
  if (!file_exists(base / "config.json")) refuse_foreign_folder(base);
  ModelConfig config = ModelConfig::read(base / "config.json", options.family);
  std::vector<StoredTensor> tensors = read_weights(base);
  apply_adapter(folder, options.adapter, tensors);
  if (!options.base.empty()) take_adapter_class(folder, tensors, config);
  return std::make_shared<const Checkpoint>(folder, std::move(config), std::move(tensors));
}

Checkpoint Checkpoint::read_as(std::string_view family) const {
  Checkpoint other = *this;
  other.config_ = ModelConfig::of(config_.fields, family);
  return other;
}

std::optional<TensorView> Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return std::nullopt;
  return usable_tensor(found->second)->view();
}

std::shared_ptr<const Tensor> Checkpoint::tensor(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    fail(ErrorCode::kNotFound, folder_.string(), ": no tensor ", json_quote(name),
         " in the weights");
  }
  const std::shared_ptr<const Tensor>& tensor = usable_tensor(found->second);
  require_finite(found->second);
  // Of an embedding table, which stays mapped, most rows may never be looked up.
  tensor->release_pages();
  return tensor;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, stored] : tensors_) names.push_back(name);
  return names;
}

}  // namespace tamis
