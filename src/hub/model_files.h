// Which files of a repository a model needs.
//
// Is: configuration, tokenizer, side files and the weights that are read first: .safetensors before
// .bin, never both, nothing of other frameworks. Is not: the download. May use: formats.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace tamis::hub {

/// What a command reads of a model.
enum class Parts {
  kModel,
  kTokenizer,
  kBesideOnnx,  ///< of kModel what goes with an .onnx file: all but the folder's own weights
};

/// Brings a file of the repository and tells where it lies; for the small ones that name others.
using Bring = std::function<std::filesystem::path(const std::string& name)>;

/// A subset of `files`. `source` names the repository in errors. Throws Error: kNotFound (a named
/// file is not there), kUnsupported (weights of other frameworks alone), kCorruptData.
[[nodiscard]] std::set<std::string> choose_files(const std::set<std::string>& files, Parts parts,
                                                 std::string_view source, const Bring& bring);

/// For a folder whose repository is not known: true if it has what every model needs.
[[nodiscard]] bool looks_complete(const std::filesystem::path& folder, Parts parts);

}  // namespace tamis::hub
