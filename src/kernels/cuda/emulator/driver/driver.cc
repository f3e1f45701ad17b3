// The driver's functions that the program uses, with the signatures of NVIDIA's cuda.h.
#include <cstdio>
#include <cstring>

#include "kernels/cuda/emulator/boxed_rows.h"
#include "kernels/cuda/emulator/driver/state.h"

namespace tamis::cuda::emulator {

namespace {

constexpr int kMultiprocessorCount = 16;  // of CUdevice_attribute
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;
constexpr int kMostSharedBytes = 8;  // of CUfunction_attribute

using Lock = std::lock_guard<std::recursive_mutex>;

DoubleState& state() { return DoubleState::get(); }
DoubleStream& stream_of(void* stream) { return *static_cast<DoubleStream*>(stream); }
void* pointer(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT: the driver's addresses are numbers
}

}  // namespace

}  // namespace tamis::cuda::emulator

using namespace tamis::cuda::emulator;

extern "C" {

int cuInit(unsigned) {
  const Lock lock(state().mutex);
  if (state().settings.init_error != 0) return static_cast<int>(state().settings.init_error);
  return state().settings.devices == 0 ? kNoDevice : kOk;
}
int cuDriverGetVersion(int* version) {
  *version = static_cast<int>(state().settings.version);
  return kOk;
}
int cuDeviceGetCount(int* count) {
  *count = static_cast<int>(state().settings.devices);
  return kOk;
}
int cuDeviceGet(int* device, int ordinal) {
  if (ordinal < 0 || ordinal >= state().settings.devices) return kInvalidDevice;
  *device = ordinal;
  return kOk;
}
int cuDeviceGetName(char* name, int size, int device) {
  std::snprintf(name, static_cast<size_t>(size), "Emulated card %d", device);
  return kOk;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  const auto capability = static_cast<int>(state().settings.capability);
  if (attribute == kCapabilityMajor) *value = capability / 10;
  if (attribute == kCapabilityMinor) *value = capability % 10;
  if (attribute == kMultiprocessorCount) *value = 2;
  return kOk;
}
int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = static_cast<size_t>(state().settings.memory_bytes);
  return kOk;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  const Lock lock(state().mutex);
  if (state().lost) return kLaunchFailed;
  *context = &state();
  return kOk;
}
int cuDevicePrimaryCtxRelease_v2(int) { return kOk; }
int cuDevicePrimaryCtxReset_v2(int) {
  const Lock lock(state().mutex);
  state().lost = false;
  return kOk;
}
int cuCtxSetCurrent(void* context) { return context == &state() ? kOk : kInvalidContext; }
int cuMemGetInfo_v2(size_t* free, size_t* total) {
  const Lock lock(state().mutex);
  *free = state().free_bytes();
  *total = static_cast<size_t>(state().settings.memory_bytes);
  return kOk;
}

int cuModuleLoadData(void** module, const void* image) {
  *module = const_cast<void*>(image);
  return image == nullptr ? kInvalidValue : kOk;
}
int cuModuleUnload(void*) { return kOk; }
int cuModuleGetFunction(void** function, void*, const char* name) {
  DoubleKernel* kernel = find_kernel(name);
  const DoubleSettings& card = state().settings;
  const bool there =
      kernel != nullptr &&
      (kernel->capability == 0 || (kernel->capability == card.capability && card.ptx == 0));
  *function = there ? kernel : nullptr;
  return there ? kOk : kNotFound;
}
int cuFuncSetAttribute(void* function, int attribute, int value) {
  if (attribute != kMostSharedBytes || value < 0) return kInvalidValue;
  static_cast<DoubleKernel*>(function)->most_shared_bytes = static_cast<unsigned>(value);
  return kOk;
}

// Boxes of rows of bytes alone, as they lie or with the 128-byte swizzle.
int cuTensorMapEncodeTiled(void* map, int type, unsigned rank, void* address,
                           const unsigned long long* sizes, const unsigned long long* strides,
                           const unsigned* box, const unsigned* steps, int interleave, int swizzle,
                           int /*promotion*/, int fill) {
  constexpr int kBytes = 0;  // CU_TENSOR_MAP_DATA_TYPE_UINT8
  constexpr int kSwizzle128 = 3;
  if (type != kBytes || rank != 2 || steps[0] != 1 || steps[1] != 1 || interleave != 0 ||
      (swizzle != 0 && swizzle != kSwizzle128) || fill != 0 ||
      reinterpret_cast<uint64_t>(map) % alignof(tamis::cuda::TensorMap) != 0) {
    return kInvalidValue;
  }
  const auto made = make_map({static_cast<const unsigned char*>(address), sizes[0], sizes[1],
                              strides[0], box[0], box[1], swizzle == kSwizzle128});
  if (!made) return kInvalidValue;
  std::memcpy(map, &*made, sizeof(*made));
  return kOk;
}

int cuMemAlloc_v2(unsigned long long* address, size_t bytes) {
  const Lock lock(state().mutex);
  if (state().lost) return kLaunchFailed;
  uint64_t found = 0;
  const int result = state().allocate(bytes, &found);
  *address = found;
  return result;
}
int cuMemFree_v2(unsigned long long address) {
  const Lock lock(state().mutex);
  return state().release(address);
}
int cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
  const Lock lock(state().mutex);
  return state().allocate_pinned(bytes, memory);
}
int cuMemFreeHost(void* memory) {
  const Lock lock(state().mutex);
  return state().release_pinned(memory);
}

// What is not pinned is read before this returns, and written before it does.
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, size_t bytes, void* stream) {
  const Lock lock(state().mutex);
  if (!state().on_device(to, bytes)) return kInvalidValue;
  if (state().pinned(from)) {
    return state().enqueue(stream_of(stream), [=] {
      std::memcpy(pointer(to), from, bytes);
      return kOk;
    });
  }
  const auto* first = static_cast<const unsigned char*>(from);
  return state().enqueue(stream_of(stream),
                         [to, bytes, copy = std::vector<unsigned char>(first, first + bytes)] {
                           std::memcpy(pointer(to), copy.data(), bytes);
                           return kOk;
                         });
}
int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, size_t bytes, void* stream) {
  const Lock lock(state().mutex);
  if (!state().on_device(from, bytes)) return kInvalidValue;
  const int result = state().enqueue(stream_of(stream), [=] {
    std::memcpy(to, pointer(from), bytes);
    return kOk;
  });
  const bool now = !state().pinned(to) && !stream_of(stream).capturing;
  return result == kOk && now ? state().finish(stream_of(stream)) : result;
}

int cuStreamCreate(void** stream, unsigned) {
  const Lock lock(state().mutex);
  if (state().lost) return kLaunchFailed;
  state().streams.push_back(std::make_unique<DoubleStream>());
  *stream = state().streams.back().get();
  return kOk;
}
int cuStreamDestroy_v2(void* stream) {
  const Lock lock(state().mutex);
  (void)state().finish(stream_of(stream));
  for (auto& known : state().streams) {
    if (known.get() == stream) known.reset();
  }
  return kOk;
}
int cuStreamSynchronize(void* stream) {
  const Lock lock(state().mutex);
  if (stream_of(stream).capturing) return kCaptureUnsupported;
  return state().finish(stream_of(stream));
}

int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void* stream, void** params, void**) {
  const Lock lock(state().mutex);
  auto* kernel = static_cast<DoubleKernel*>(function);
  const Launch launch = {{gx, gy, gz}, {bx, by, bz}, shared};
  const bool fits = launch.block.count() == kernel->threads && gx > 0 && gy > 0 && gz > 0 &&
                    gy <= 65535 && gz <= 65535 && shared <= kernel->most_shared_bytes;
  if (!fits) return kInvalidValue;
  const auto* bytes = static_cast<const unsigned char*>(params[0]);
  return state().enqueue(
      stream_of(stream),
      [kernel, launch, copy = std::vector<unsigned char>(bytes, bytes + kernel->params_bytes)] {
        return state().launch(*kernel, launch, copy);
      });
}

int cuStreamBeginCapture_v2(void* stream, int) {
  const Lock lock(state().mutex);
  if (const int result = state().finish(stream_of(stream)); result != kOk) return result;
  stream_of(stream).capturing = true;
  return kOk;
}
int cuStreamEndCapture(void* stream, void** graph) {
  const Lock lock(state().mutex);
  stream_of(stream).capturing = false;
  *graph = new DoubleGraph{std::move(stream_of(stream).waiting)};
  stream_of(stream).waiting.clear();
  return kOk;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  const Lock lock(state().mutex);
  auto& known = state().executables;
  known.push_back(std::make_unique<DoubleGraph>(*static_cast<DoubleGraph*>(graph)));
  *executable = known.back().get();
  return kOk;
}
int cuGraphLaunch(void* executable, void* stream) {
  const Lock lock(state().mutex);
  for (const Work& work : static_cast<DoubleGraph*>(executable)->work) {
    if (const int result = state().enqueue(stream_of(stream), work); result != kOk) return result;
  }
  return kOk;
}
int cuGraphDestroy(void* graph) {
  delete static_cast<DoubleGraph*>(graph);
  return kOk;
}
int cuGraphExecDestroy(void* executable) {
  const Lock lock(state().mutex);
  std::erase_if(state().executables,
                [executable](const auto& known) { return known.get() == executable; });
  return kOk;
}

int cuGetErrorName(int error, const char** name) {
  switch (error) {
    case kOutOfMemory:
      *name = "CUDA_ERROR_OUT_OF_MEMORY";
      return kOk;
    case kNoDevice:
      *name = "CUDA_ERROR_NO_DEVICE";
      return kOk;
    case kLaunchFailed:
      *name = "CUDA_ERROR_LAUNCH_FAILED";
      return kOk;
    default:
      *name = "CUDA_ERROR_UNKNOWN";
      return kOk;
  }
}
}
