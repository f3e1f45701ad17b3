#include "formats/pytorch/pytorch_bin.h"

#include <map>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/pytorch/pickle.h"
#include "formats/pytorch/pytorch_legacy.h"
#include "formats/pytorch/state_dict.h"
#include "formats/pytorch/zip.h"

namespace tamis {

namespace {

constexpr std::string_view kHowToConvert =
    "; accepted is what torch.save writes of a state_dict: load this one in Python and write it "
    "with model.save_pretrained(folder, safe_serialization=True)";

class ArchiveReader {
 public:
  ArchiveReader(std::span<const std::byte> bytes, const std::string& source,
                const std::shared_ptr<const void>& keeper)
      : source_(source), zip_(bytes, source, keeper), copy_budget_(2 * bytes.size()) {}

  std::vector<StoredTensor> read() {
    find_prefix();
    refuse_big_endian();
    const ZipData data = zip_.read(*zip_.find(prefix_ + "data.pkl"));
    const std::string_view text(reinterpret_cast<const char*>(data.bytes.data()),
                                data.bytes.size());
    const std::string source = cat(source_, " (data.pkl)");
    const Pickle pickle = Pickle::parse(text, source, torch_globals(), "tensors");
    return read_state_dict(pickle.root(), source_, copy_budget_,
                           [this](std::string_view key) { return find_storage(key); });
  }

 private:
  // Everything lies in one folder, named after the file that was saved.
  void find_prefix() {
    for (const ZipEntry& entry : zip_.entries()) {
      const size_t slash = entry.name.find('/');
      if (slash != std::string_view::npos && entry.name.substr(slash + 1) == "data.pkl") {
        prefix_ = entry.name.substr(0, slash + 1);
        return;
      }
    }
    fail(ErrorCode::kCorruptData, source_, ": a zip archive without data.pkl", kHowToConvert);
  }

  void refuse_big_endian() {
    const ZipEntry* entry = zip_.find(prefix_ + "byteorder");
    if (entry == nullptr) return;
    const ZipData order = zip_.read(*entry);
    const std::string_view text(reinterpret_cast<const char*>(order.bytes.data()),
                                order.bytes.size());
    if (text != "little") {
      fail(ErrorCode::kUnsupported, source_, ": byteorder is ", json_quote(text.substr(0, 20)),
           "; only \"little\" is accepted");
    }
  }

  // Views of one storage share its bytes; an inflated one is made once.
  std::optional<StoredBytes> find_storage(std::string_view key) {
    const std::string name = cat(prefix_, "data/", key);
    const ZipEntry* entry = zip_.find(name);
    if (entry == nullptr) return std::nullopt;
    const auto [found, added] = storages_.try_emplace(name);
    if (added) found->second = zip_.read(*entry);
    return StoredBytes{std::nullopt, found->second.bytes, found->second.keeper};
  }

  const std::string& source_;
  ZipReader zip_;
  size_t copy_budget_;
  std::string prefix_;
  std::map<std::string, ZipData> storages_;
};

}  // namespace

std::vector<StoredTensor> parse_pytorch_bin(std::span<const std::byte> bytes,
                                            const std::string& source,
                                            const std::shared_ptr<const void>& keeper) {
  refuse_lfs_pointer(bytes, source);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("PK")) return ArchiveReader(bytes, source, keeper).read();
  if (is_pytorch_legacy(bytes)) return parse_pytorch_legacy(bytes, source, keeper);
  fail(ErrorCode::kUnsupported, source, ": neither a zip archive nor pickles of torch.save",
       kHowToConvert);
}

std::vector<StoredTensor> read_pytorch_bin(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return parse_pytorch_bin(file->bytes(), path.string(), file);
}

}  // namespace tamis
