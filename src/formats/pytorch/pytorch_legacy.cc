#include "formats/pytorch/pytorch_legacy.h"

#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "formats/pytorch/pickle.h"
#include "formats/pytorch/state_dict.h"

namespace tamis {

namespace {

// 0x1950a86a20f9469cfc6c as a pickled integer of ten bytes, and the end of its pickle.
constexpr std::string_view kMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
constexpr int64_t kProtocolVersion = 1001;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Where the pickle of the magic number ends, 0 if it is none: protocol, perhaps a frame, number.
size_t magic_end(std::string_view text) {
  constexpr size_t kProtocolBytes = 2;
  constexpr size_t kFrameBytes = 9;
  for (const size_t before : {kProtocolBytes, kProtocolBytes + kFrameBytes}) {
    if (text.size() > before && text[0] == '\x80' && text.substr(before).starts_with(kMagic)) {
      return before + kMagic.size();
    }
  }
  return 0;
}

struct Storage {
  int64_t elements = 0;
  size_t element_bytes = 0;
  std::span<const std::byte> bytes = {};
};

class LegacyReader {
 public:
  LegacyReader(std::span<const std::byte> bytes, const std::string& source,
               const std::shared_ptr<const void>& keeper)
      : bytes_(bytes), source_(source), keeper_(keeper), at_(magic_end(text_of(bytes))) {}

  std::vector<StoredTensor> read() {
    check_protocol();
    check_system();
    const Pickle pickle = next("the dict");
    note_storages(pickle);
    const Pickle keys = next("the list of storages");
    place_storages(keys.root());
    return read_state_dict(pickle.root(), source_, 2 * bytes_.size(),
                           [this](std::string_view key) { return find(key); });
  }

 private:
  template <typename... Parts>
  [[noreturn]] void corrupt(const Parts&... parts) const {
    fail(ErrorCode::kCorruptData, source_, ": ", parts...);
  }

  Pickle next(std::string_view what) {
    const std::string source = cat(source_, " (", what, ", from byte ", at_, ")");
    size_t consumed = 0;
    Pickle pickle = Pickle::parse_first(text_of(bytes_.subspan(at_)), source, torch_globals(),
                                        "tensors", consumed);
    at_ += consumed;
    return pickle;
  }

  void check_protocol() {
    const Pickle version = next("protocol version");
    if (version.root().kind == PickleKind::kInt && version.root().integer == kProtocolVersion) {
      return;
    }
    fail(ErrorCode::kUnsupported, source_, ": a protocol version of torch.save other than ",
         kProtocolVersion, ", which is accepted");
  }

  void check_system() {
    const Pickle system = next("system");
    const PickleValue& dict = system.root();
    if (dict.kind != PickleKind::kDict) corrupt("the system must be a dict");
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& value = *dict.items[i + 1];
      if (dict.items[i]->text == "little_endian" && value.kind == PickleKind::kBool &&
          value.integer == 0) {
        fail(ErrorCode::kUnsupported, source_,
             ": written on a big-endian machine; only little-endian data is accepted");
      }
    }
  }

  // Every storage that the pickle names, whether a tensor of the dict is in it or not: their bytes
  // lie one behind the other. Ids are ("storage", type, key, device, elements, view).
  void note_storages(const Pickle& pickle) {
    for (const PickleValue& value : pickle.values()) {
      if (value.kind != PickleKind::kPersistent) continue;
      const auto& id = value.items[0]->items;
      if (id.size() < 5 || id[0]->text != "storage" || id[1]->kind != PickleKind::kGlobal ||
          id[2]->kind != PickleKind::kString || id[4]->kind != PickleKind::kInt ||
          id[4]->integer < 0) {
        corrupt("a storage must be (\"storage\", type, key, device, elements)");
      }
      const Storage storage{id[4]->integer, torch_element_bytes(id[1]->text)};
      if (storage.element_bytes == 0) {
        fail(ErrorCode::kUnsupported, source_, ": a storage of ", json_quote(id[1]->text),
             "; accepted are the typed storages of torch");
      }
      const auto [found, added] = storages_.try_emplace(std::string(id[2]->text), storage);
      if (!added && (found->second.elements != storage.elements ||
                     found->second.element_bytes != storage.element_bytes)) {
        corrupt("storage ", json_quote(id[2]->text.substr(0, 200)), " is named with two sizes");
      }
    }
  }

  // The keys in the order of the data; before each storage its count of elements.
  void place_storages(const PickleValue& keys) {
    if (keys.kind != PickleKind::kList) corrupt("the keys of the storages must be a list");
    for (const PickleValue* key : keys.items) {
      const auto found =
          key->kind == PickleKind::kString ? storages_.find(key->text) : storages_.end();
      if (found == storages_.end()) corrupt("the data holds a storage that the pickle never names");
      place(found->second, key->text);
    }
  }

  void place(Storage& storage, std::string_view key) {
    int64_t count = 0;
    if (bytes_.size() - at_ < sizeof(count)) corrupt("the file ends in the middle of its storages");
    std::memcpy(&count, bytes_.data() + at_, sizeof(count));
    at_ += sizeof(count);
    if (count != storage.elements) {
      corrupt("storage ", json_quote(key.substr(0, 200)), " holds ", count,
              " elements, but the pickle says ", storage.elements);
    }
    const auto room = static_cast<int64_t>((bytes_.size() - at_) / storage.element_bytes);
    if (count > room) corrupt("the file ends in the middle of its storages");
    const size_t size = static_cast<size_t>(count) * storage.element_bytes;
    storage.bytes = bytes_.subspan(at_, size);
    placed_.insert_or_assign(std::string(key), storage.bytes);
    at_ += size;
  }

  std::optional<StoredBytes> find(std::string_view key) const {
    const auto found = placed_.find(key);
    if (found == placed_.end()) return std::nullopt;
    return StoredBytes{std::nullopt, found->second, keeper_};
  }

  std::span<const std::byte> bytes_;
  const std::string& source_;
  const std::shared_ptr<const void>& keeper_;
  size_t at_;
  std::map<std::string, Storage, std::less<>> storages_;
  std::map<std::string, std::span<const std::byte>, std::less<>> placed_;
};

}  // namespace

bool is_pytorch_legacy(std::span<const std::byte> bytes) { return magic_end(text_of(bytes)) != 0; }

std::vector<StoredTensor> parse_pytorch_legacy(std::span<const std::byte> bytes,
                                               const std::string& source,
                                               const std::shared_ptr<const void>& keeper) {
  return LegacyReader(bytes, source, keeper).read();
}

}  // namespace tamis
