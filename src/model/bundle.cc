#include "model/bundle.h"

#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "formats/safetensors.h"

namespace tamis::api {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kManifestName = "tamis.json";
constexpr std::string_view kGraphName = "graph.txt";
constexpr std::string_view kWeightsName = "model.safetensors";

using Constants = std::map<std::string, StoredTensor, std::less<>>;

std::shared_ptr<const Tensor> find_constant(void* context, std::string_view name) {
  const auto& constants = *static_cast<Constants*>(context);
  const auto found = constants.find(name);
  return found == constants.end() ? nullptr : usable_tensor(found->second);
}

void check_sizes(const fs::path& folder, const Manifest& manifest) {
  for (const auto& file : manifest.files) {
    const fs::path path = folder / file.first;
    if (!file_exists(path)) {
      fail(ErrorCode::kNotFound, path.string(), ": missing, though ", kManifestName, " lists it");
    }
    std::error_code error;
    const auto bytes = static_cast<int64_t>(fs::file_size(path, error));
    if (error) {
      fail(ErrorCode::kUnavailable, path.string(), ": cannot be read: ", error.message());
    }
    if (bytes != file.second.bytes) {
      fail(ErrorCode::kCorruptData, path.string(), ": ", bytes, " bytes, ", kManifestName, " says ",
           file.second.bytes);
    }
  }
}

}  // namespace

Bundle read_bundle(const fs::path& folder) {
  const std::string manifest_path = (folder / kManifestName).string();
  Bundle bundle;
  bundle.manifest = parse_manifest(read_file(manifest_path), manifest_path);
  check_sizes(folder, bundle.manifest);
  Constants constants;
  for (StoredTensor& stored : read_safetensors(folder / kWeightsName).tensors) {
    std::string name = stored.name;
    constants.emplace(std::move(name), std::move(stored));
  }
  const fs::path graph_path = folder / kGraphName;
  bundle.graph =
      graph::parse_graph(read_file(graph_path), graph_path.string(), find_constant, &constants);
  return bundle;
}

std::vector<BadFile> verify_bundle(const fs::path& folder) {
  const std::string manifest_path = (folder / kManifestName).string();
  const Manifest manifest = parse_manifest(read_file(manifest_path), manifest_path);
  std::vector<BadFile> bad;
  for (const auto& file : manifest.files) {
    const fs::path path = folder / file.first;
    if (!file_exists(path)) {
      bad.push_back({file.first, "missing"});
    } else if (hash_file(path).sha256 != file.second.sha256) {
      bad.push_back({file.first, "its SHA-256 is not what tamis.json says"});
    }
  }
  return bad;
}

void write_graph(const fs::path& folder, const graph::Graph& graph) {
  write_file(folder / kGraphName, graph::print(graph));
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const graph::Value& value = graph.value(static_cast<graph::ValueId>(i));
    if (value.constant != nullptr) tensors.push_back({value.name, value.constant->view()});
  }
  write_safetensors(folder / kWeightsName, tensors);
}

std::map<std::string, FileRecord> record_files(const fs::path& folder,
                                               std::span<const std::string> names) {
  std::map<std::string, FileRecord> records;
  for (const std::string& name : names) {
    HashedFile file = hash_file(folder / name);
    records[name] = {file.bytes, std::move(file.sha256)};
  }
  return records;
}

}  // namespace tamis::api
