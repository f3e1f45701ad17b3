// The folder that tamis optimize writes and every command reads.
//
// Is: manifest, graph, constants, tokenizer, self-test, as files. Is not: how a model was made
// (optimize.h). May use: formats, graph.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "model/manifest.h"

namespace tamis::api {

struct Bundle {
  Manifest manifest;
  graph::Graph graph;
};

/// Reads tamis.json, graph.txt and model.safetensors (mapped). File sizes are held against the
/// manifest, hashes are not (verify_bundle does). Throws Error: kNotFound, kCorruptData naming file
/// and place, kUnsupported.
[[nodiscard]] Bundle read_bundle(const std::filesystem::path& folder);

/// A file of the manifest whose bytes are not what was written.
struct BadFile {
  std::string name;
  std::string reason;
};

/// Hashes every file that the manifest lists.
[[nodiscard]] std::vector<BadFile> verify_bundle(const std::filesystem::path& folder);

/// Writes graph.txt and model.safetensors into `folder`.
void write_graph(const std::filesystem::path& folder, const graph::Graph& graph);

/// The size and hash of each of the files in `folder`.
[[nodiscard]] std::map<std::string, FileRecord> record_files(const std::filesystem::path& folder,
                                                             std::span<const std::string> names);

}  // namespace tamis::api
