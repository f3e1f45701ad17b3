#include "formats/pytorch/state_dict.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/json.h"

namespace tamis {

namespace {

// torch keeps at most 64 dimensions in practice; numpy's limit.
constexpr size_t kMaxRank = 64;
// Longer keys are no tensor's name; a pickle repeats a string for two bytes each time.
constexpr size_t kMaxNameBytes = 4096;

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kRebuildV2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildV1 = "torch._utils._rebuild_tensor";
constexpr std::string_view kRebuildV3 = "torch._utils._rebuild_tensor_v3";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kRebuildParameterState = "torch._utils._rebuild_parameter_with_state";
constexpr std::string_view kRebuildType = "torch._tensor._rebuild_from_type_v2";

// Every global that a pickle may name. Those of the kinds of elements that DType lacks are let
// through too: such a tensor is an error only when it is asked for.
constexpr std::string_view kAllowed[] = {kOrderedDict,
                                         kRebuildV1,
                                         kRebuildV2,
                                         kRebuildV3,
                                         kRebuildParameter,
                                         kRebuildParameterState,
                                         kRebuildType,
                                         "torch.Tensor",
                                         "torch.nn.parameter.Parameter",
                                         "torch.Size",
                                         "torch.FloatStorage",
                                         "torch.DoubleStorage",
                                         "torch.HalfStorage",
                                         "torch.BFloat16Storage",
                                         "torch.LongStorage",
                                         "torch.IntStorage",
                                         "torch.ShortStorage",
                                         "torch.CharStorage",
                                         "torch.ByteStorage",
                                         "torch.BoolStorage",
                                         "torch.ComplexFloatStorage",
                                         "torch.ComplexDoubleStorage",
                                         "torch.storage.UntypedStorage",
                                         "torch.float32",
                                         "torch.float64",
                                         "torch.float16",
                                         "torch.bfloat16",
                                         "torch.int64",
                                         "torch.int32",
                                         "torch.int16",
                                         "torch.int8",
                                         "torch.uint8",
                                         "torch.bool",
                                         "torch.uint16",
                                         "torch.uint32",
                                         "torch.uint64",
                                         "torch.complex64",
                                         "torch.float8_e4m3fn",
                                         "torch.float8_e5m2"};

struct TorchType {
  std::string_view storage;
  std::string_view dtype;
  DType type;
};
constexpr TorchType kTorchTypes[] = {
    {"torch.FloatStorage", "torch.float32", DType::kF32},
    {"torch.DoubleStorage", "torch.float64", DType::kF64},
    {"torch.HalfStorage", "torch.float16", DType::kF16},
    {"torch.BFloat16Storage", "torch.bfloat16", DType::kBF16},
    {"torch.LongStorage", "torch.int64", DType::kI64},
    {"torch.IntStorage", "torch.int32", DType::kI32},
    {"torch.CharStorage", "torch.int8", DType::kI8},
    {"torch.ByteStorage", "torch.uint8", DType::kU8},
    {"torch.BoolStorage", "torch.bool", DType::kBool},
};

// Storages of elements that no DType holds.
struct OtherType {
  std::string_view storage;
  size_t bytes;
};
constexpr OtherType kOtherTypes[] = {
    {"torch.ShortStorage", 2},
    {"torch.ComplexFloatStorage", 8},
    {"torch.ComplexDoubleStorage", 16},
};

std::optional<DType> type_of(std::string_view name) {
  for (const TorchType& row : kTorchTypes) {
    if (row.storage == name || row.dtype == name) return row.type;
  }
  return std::nullopt;
}

// A rebuilt tensor's place in its storage, in elements.
struct View {
  int64_t offset = 0;
  std::vector<int64_t> strides;
};

// True if the elements lie one behind the other in row-major order.
bool is_contiguous(std::span<const int64_t> sizes, std::span<const int64_t> strides) {
  int64_t expected = 1;
  for (size_t axis = sizes.size(); axis-- > 0;) {
    if (sizes[axis] != 1 && strides[axis] != expected) return false;
    expected *= sizes[axis];
  }
  return true;
}

// Copies a strided view to row-major order. No size is 0.
void gather(std::span<const int64_t> sizes, const View& view, size_t element,
            const std::byte* storage, std::byte* out) {
  std::vector<int64_t> index(sizes.size(), 0);
  int64_t at = view.offset;
  for (;;) {
    std::memcpy(out, storage + static_cast<size_t>(at) * element, element);
    out += element;
    size_t axis = sizes.size();
    for (;;) {
      if (axis == 0) return;
      --axis;
      at += view.strides[axis];
      if (++index[axis] < sizes[axis]) break;
      at -= view.strides[axis] * sizes[axis];
      index[axis] = 0;
    }
  }
}

class StateDictReader {
 public:
  StateDictReader(const std::string& source, size_t copy_budget, const FindStorage& find)
      : source_(source), copy_budget_(copy_budget), find_(find) {}

  std::vector<StoredTensor> read(const PickleValue& root) {
    read_items(root);
    if (tensors_.empty()) {
      fail(ErrorCode::kCorruptData, source_,
           ": no tensors; accepted is a dict from name to tensor (a state_dict)");
    }
    std::vector<StoredTensor> sorted;
    sorted.reserve(tensors_.size());
    for (auto& [name, tensor] : tensors_) sorted.push_back(std::move(tensor));
    return sorted;
  }

 private:
  template <typename... Parts>
  [[noreturn]] void corrupt(std::string_view tensor, const Parts&... parts) const {
    fail(ErrorCode::kCorruptData, source_, ": tensor ", json_quote(tensor.substr(0, 200)), ": ",
         parts...);
  }

  // A dict, or OrderedDict() with items set on it, or OrderedDict([[key, value], ...]) as Python 2
  // wrote it.
  void read_items(const PickleValue& root) {
    std::span<const PickleValue* const> items(root.items);
    if (root.kind == PickleKind::kCall && root.items[0]->text == kOrderedDict) {
      const auto& arguments = root.items[1]->items;
      if (arguments.size() == 1) {
        for (const PickleValue* pair : arguments[0]->items) {
          if (pair->items.size() == 2) read_item(*pair->items[0], *pair->items[1]);
        }
      }
      items = items.subspan(2);
    } else if (root.kind != PickleKind::kDict) {
      fail(ErrorCode::kCorruptData, source_,
           ": does not hold a dict; accepted is a dict from name to tensor (a state_dict)");
    }
    for (size_t i = 0; i + 1 < items.size(); i += 2) read_item(*items[i], *items[i + 1]);
  }

  void read_item(const PickleValue& key, const PickleValue& value) {
    if (key.kind != PickleKind::kString) return;
    if (key.text.size() > kMaxNameBytes) {
      corrupt(key.text, "a name of ", key.text.size(), " bytes; at most ", kMaxNameBytes,
              " are accepted");
    }
    StoredTensor stored;
    stored.name = key.text;
    stored.source = source_;
    if (!read_tensor(value, stored)) return;
    tensors_.insert_or_assign(stored.name, std::move(stored));
  }

  // False if the value is no tensor.
  bool read_tensor(const PickleValue& value, StoredTensor& stored) {
    const PickleValue* call = &value;
    // _rebuild_parameter(tensor, ...), _rebuild_from_type_v2(function, type, arguments, state): at
    // most one around the other.
    for (int depth = 0; depth < 3; ++depth) {
      if (call->kind != PickleKind::kCall) return false;
      const std::string_view name = call->items[0]->text;
      const auto& args = call->items[1]->items;
      if (name == kRebuildParameter || name == kRebuildParameterState) {
        if (args.empty()) corrupt(stored.name, "a parameter without tensor");
        call = args[0];
      } else if (name == kRebuildType) {
        if (args.size() < 3 || args[0]->kind != PickleKind::kGlobal ||
            args[2]->kind != PickleKind::kTuple) {
          corrupt(stored.name, "_rebuild_from_type_v2 with wrong arguments");
        }
        rebuild(args[0]->text, args[2]->items, stored);
        return true;
      } else if (name == kOrderedDict || name == "torch.Size") {
        return false;
      } else {
        rebuild(name, args, stored);
        return true;
      }
    }
    corrupt(stored.name, "parameters of parameters");
  }

  std::vector<int64_t> read_numbers(const PickleValue& tuple, std::string_view name) const {
    if ((tuple.kind != PickleKind::kTuple && tuple.kind != PickleKind::kList) ||
        tuple.items.size() > kMaxRank) {
      corrupt(name, "sizes and strides must be tuples of at most ", kMaxRank, " integers");
    }
    std::vector<int64_t> numbers;
    for (const PickleValue* item : tuple.items) {
      if (item->kind != PickleKind::kInt || item->integer < 0) {
        corrupt(name, "sizes and strides must be integers, 0 or more");
      }
      numbers.push_back(item->integer);
    }
    return numbers;
  }

  // The arguments of _rebuild_tensor_v2: storage, offset, size, stride, requires_grad, hooks; the
  // older one ends with stride, v3 has the dtype at index 6.
  void rebuild(std::string_view function, const std::vector<const PickleValue*>& args,
               StoredTensor& stored) {
    const bool v3 = function == kRebuildV3;
    if (function != kRebuildV1 && function != kRebuildV2 && !v3) {
      corrupt(stored.name, "a call of ", function, " makes no tensor");
    }
    if (args.size() < (v3 ? 7 : 4) || args[0]->kind != PickleKind::kPersistent ||
        args[1]->kind != PickleKind::kInt || args[1]->integer < 0) {
      corrupt(stored.name, function, " with wrong arguments");
    }
    View view;
    view.offset = args[1]->integer;
    stored.sizes = read_numbers(*args[2], stored.name);
    view.strides = read_numbers(*args[3], stored.name);
    if (view.strides.size() != stored.sizes.size()) {
      corrupt(stored.name, stored.sizes.size(), " sizes but ", view.strides.size(), " strides");
    }
    const auto& id = args[0]->items[0]->items;
    if (id.size() < 5 || id[0]->text != "storage" || id[1]->kind != PickleKind::kGlobal ||
        id[2]->kind != PickleKind::kString || id[2]->text.size() > kMaxNameBytes ||
        id[4]->kind != PickleKind::kInt) {
      corrupt(stored.name, "its storage must be (\"storage\", type, key, device, elements)");
    }
    if (v3 && args[6]->kind != PickleKind::kGlobal) corrupt(stored.name, "v3 without a dtype");
    stored.dtype = v3 ? args[6]->text : id[1]->text;
    if (__builtin_add_overflow(view.offset, view_offset(id, stored.name), &view.offset)) {
      corrupt(stored.name, "an offset beyond 64 bits");
    }
    // An untyped storage counts bytes.
    const bool counts_bytes = id[1]->text == "torch.storage.UntypedStorage";
    attach(view, read_storage(id[2]->text, stored.name), counts_bytes ? 0 : id[4]->integer, stored);
  }

  StoredBytes read_storage(std::string_view key, std::string_view tensor) {
    auto found = find_(key);
    if (!found) corrupt(tensor, "its storage ", json_quote(key), " is not in the file");
    return *std::move(found);
  }

  // An older storage that is a view of another names key, offset and elements: ids of six parts.
  int64_t view_offset(const std::vector<const PickleValue*>& id, std::string_view tensor) const {
    if (id.size() < 6 || id[5]->kind == PickleKind::kNone) return 0;
    const auto& parts = id[5]->items;
    if (id[5]->kind != PickleKind::kTuple || parts.size() != 3 ||
        parts[1]->kind != PickleKind::kInt || parts[1]->integer < 0) {
      corrupt(tensor, "its storage's view must be (key, offset, elements)");
    }
    return parts[1]->integer;
  }

  // `count`: elements that the pickle gives the storage, 0 if it does not say.
  void attach(const View& view, const StoredBytes& storage, int64_t count, StoredTensor& stored) {
    const auto type = type_of(stored.dtype);
    const auto elements = checked_elements(stored.sizes);
    if (!elements) {
      corrupt(stored.name, "shape ", sizes_to_string(stored.sizes), " is too large");
    }
    if (!type || stored.sizes.size() > Shape::kMaxRank) return;
    const size_t element = dtype_bytes(*type);
    const auto available = static_cast<int64_t>(storage.bytes.size() / element);
    if (count > available) {
      corrupt(stored.name, "its storage of ", count, " elements has ", storage.bytes.size(),
              " bytes in the file");
    }
    if (*elements == 0) {
      attach_bytes(stored, {type, {}, storage.keeper});
      return;
    }
    check_range(view, *elements, available, stored);
    const size_t bytes = static_cast<size_t>(*elements) * element;
    if (is_contiguous(stored.sizes, view.strides)) {
      const auto slice = storage.bytes.subspan(static_cast<size_t>(view.offset) * element, bytes);
      const bool aligned = reinterpret_cast<uintptr_t>(slice.data()) % element == 0;
      if (!aligned) spend_copy(bytes, stored.name);
      attach_bytes(stored, {type, slice, storage.keeper});
      return;
    }
    spend_copy(bytes, stored.name);
    const auto copy = std::make_shared<std::vector<int64_t>>((bytes + 7) / 8);
    auto* out = reinterpret_cast<std::byte*>(copy->data());
    gather(stored.sizes, view, element, storage.bytes.data(), out);
    attach_bytes(stored, {type, {out, bytes}, copy});
  }

  // The furthest element lies in the storage. No size is 0.
  void check_range(const View& view, int64_t elements, int64_t available,
                   const StoredTensor& stored) const {
    int64_t last = view.offset;
    bool overflow = false;
    for (size_t axis = 0; axis < stored.sizes.size(); ++axis) {
      int64_t step = 0;
      overflow |= __builtin_mul_overflow(stored.sizes[axis] - 1, view.strides[axis], &step);
      overflow |= __builtin_add_overflow(last, step, &last);
    }
    if (overflow || last >= available) {
      corrupt(stored.name, "shape ", sizes_to_string(stored.sizes), " with strides ",
              sizes_to_string(view.strides), " at offset ", view.offset,
              " passes the end of its storage (", available, " elements)");
    }
    if (elements > available) {
      corrupt(stored.name, "shape ", sizes_to_string(stored.sizes),
              " repeats elements of its storage (", available, " elements)");
    }
  }

  void spend_copy(size_t bytes, std::string_view name) {
    if (bytes > copy_budget_) {
      corrupt(name,
              "too many views of the same bytes must be copied; at most twice the file's "
              "size is accepted");
    }
    copy_budget_ -= bytes;
  }

  const std::string& source_;
  size_t copy_budget_;
  const FindStorage& find_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace

std::span<const std::string_view> torch_globals() { return kAllowed; }

size_t torch_element_bytes(std::string_view storage_type) {
  for (const TorchType& row : kTorchTypes) {
    if (row.storage == storage_type) return dtype_bytes(row.type);
  }
  for (const OtherType& row : kOtherTypes) {
    if (row.storage == storage_type) return row.bytes;
  }
  return 0;
}

std::vector<StoredTensor> read_state_dict(const PickleValue& root, const std::string& source,
                                          size_t copy_budget, const FindStorage& find) {
  return StateDictReader(source, copy_budget, find).read(root);
}

}  // namespace tamis
