#include "engines/onnxruntime/ort_library.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/file.h"

namespace tamis::engines::onnxruntime {

namespace {

constexpr const char* kVariable = "TAMIS_ORT";
// As ONNX Runtime's releases and the distributions call it.
constexpr const char* kNames[] = {"libonnxruntime.so.1", "libonnxruntime.so"};

template <typename Function>
Function function_at(const void* table, size_t place) {
  Function function = nullptr;
  const auto* const first = static_cast<const std::byte*>(table) + place * sizeof(void*);
  std::memcpy(&function, first, sizeof(function));
  return function;
}

// What is asked for by name, and where the name comes from; "": neither.
std::string asked_name(const std::filesystem::path& path) {
  const char* set = std::getenv(kVariable);
  const bool named = !path.empty();
  if (!named && (set == nullptr || *set == '\0')) return "";
  const std::filesystem::path file = named ? path : std::filesystem::path(set);
  if (!file_exists(file)) {
    fail(ErrorCode::kNotFound, named ? "--ort " : cat(kVariable, "="), file.string(),
         ": no such file; the shared library of ONNX Runtime is expected, "
         "libonnxruntime.so.1.NN.N");
  }
  // A name without a slash would be looked for elsewhere.
  return std::filesystem::absolute(file).string();
}

struct Opened {
  std::string name;
  void* handle = nullptr;
};

Opened opened_as(const std::string& name) {
  void* const handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return {name, handle};
  const char* const why = dlerror();
  fail(ErrorCode::kInvalidArgument, name,
       ": is no shared library that loads: ", why == nullptr ? "no reason given" : why);
}

Opened found_by_loader() {
  for (const char* name : kNames) {
    void* const handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) return {name, handle};
  }
  fail(ErrorCode::kNotFound,
       "no libonnxruntime.so is found; name the shared library of ONNX Runtime with --ort or in ",
       kVariable);
}

// 14 of "1.14.1"; 0 of what does not begin with 1.
int minor_of(std::string_view version) {
  int minor = 0;
  if (!version.starts_with("1.")) return 0;
  std::from_chars(version.data() + 2, version.data() + version.size(), minor);
  return minor;
}

}  // namespace

OrtApi functions_of(const void* table) {
  OrtApi api;
#define X(place, name, result, parameters) api.name = function_at<decltype(api.name)>(table, place);
#include "engines/onnxruntime/ort_functions.inc"
#undef X
  return api;
}

std::shared_ptr<const OrtLibrary> OrtLibrary::open(const std::filesystem::path& path) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const OrtLibrary>> opened;
  // "" stands for what the loader finds.
  const std::string asked = asked_name(path);
  const std::lock_guard lock(mutex);
  std::shared_ptr<const OrtLibrary>& library = opened[asked];
  if (library == nullptr) {
    const Opened file = asked.empty() ? found_by_loader() : opened_as(asked);
    std::shared_ptr<OrtLibrary> made(new OrtLibrary(file.name));
    made->read_functions(file.handle);
    library = made;
  }
  return library;
}

void OrtLibrary::read_functions(void* handle) {
  void* const symbol = dlsym(handle, "OrtGetApiBase");
  const OrtApiBase* base = nullptr;
  if (symbol != nullptr) base = reinterpret_cast<const OrtApiBase* (*)()>(symbol)();
  if (base == nullptr) {
    fail(ErrorCode::kInvalidArgument, name_, ": is no ONNX Runtime; it gives no OrtGetApiBase");
  }
  version_ = base->get_version();
  // A version above its own is answered by null, and by a line on standard error.
  const void* const table =
      minor_of(version_) < kLeastOrtMinor ? nullptr : base->get_api(kOrtApiVersion);
  if (table == nullptr) {
    fail(ErrorCode::kUnsupported, name_, ": is ONNX Runtime ", version_.substr(0, 40),
         "; accepted are 1.", kLeastOrtMinor, " and later");
  }
  api_ = functions_of(table);
  check(api_.create_env(kLogErrors, "tamis", &env_), "its environment");
}

void OrtLibrary::check(OrtStatus* status, std::string_view what) const {
  if (status == nullptr) return;
  std::string message = api_.get_error_message(status);
  api_.release_status(status);
  message.resize(std::min(message.find('\n'), message.size()));
  constexpr size_t kShown = 500;
  fail(ErrorCode::kUnsupported, what, ": ONNX Runtime ", version_, ": ", message.substr(0, kShown));
}

std::vector<std::string> OrtLibrary::providers() const {
  char** names = nullptr;
  int count = 0;
  check(api_.get_available_providers(&names, &count), "execution providers");
  std::vector<std::string> result(names, names + count);
  check(api_.release_available_providers(names, count), "execution providers");
  return result;
}

}  // namespace tamis::engines::onnxruntime
