// Work of streams, which the double does as late as it may: when something waits for it. So a host
// that does not wait reads what was there before.
#include <algorithm>
#include <cstring>
#include <exception>
#include <thread>

#include "kernels/cuda/emulator/driver/state.h"

namespace tamis::cuda::emulator {

namespace {

size_t shared_limit(int64_t capability) {
  if (capability < 80) return 64 * 1024;
  if (capability == 80) return 163 * 1024;
  return capability >= 90 && capability < 120 ? 227 * 1024 : 99 * 1024;
}

/// What a card aligns a kernel's parameters to.
struct alignas(64) ParamLine {
  unsigned char bytes[64];
};

// Blocks [first, end) of the launch, each part in a thread of its own.
void run_in_parts(const Launch& whole, int64_t threads, const std::function<void()>& body,
                  const Options& options) {
  const unsigned blocks = whole.grid.count();
  const auto parts = static_cast<unsigned>(std::clamp<int64_t>(threads, 1, blocks));
  std::vector<std::exception_ptr> errors(parts);
  const auto run_part = [&](unsigned part) {
    Launch launch = whole;
    launch.first_block = static_cast<unsigned>(uint64_t{blocks} * part / parts);
    launch.end_block = static_cast<unsigned>(uint64_t{blocks} * (part + 1) / parts);
    try {
      (void)emulator::launch(launch, body, options);
    } catch (...) {
      errors[part] = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (unsigned part = 1; part < parts; ++part) others.emplace_back(run_part, part);
  run_part(0);
  for (std::thread& other : others) other.join();
  for (const std::exception_ptr& error : errors) {
    if (error != nullptr) std::rethrow_exception(error);
  }
}

}  // namespace

int DoubleState::enqueue(DoubleStream& stream, Work work) {
  if (lost) return kLaunchFailed;
  stream.waiting.push_back(std::move(work));
  return kOk;
}

int DoubleState::launch(DoubleKernel& kernel, const Launch& launch,
                        const std::vector<unsigned char>& params) {
  if (settings.launches_until_failure == 0) {
    settings.launches_until_failure = -1;
    fault = "a launch that the test lets fail";
    return kLaunchFailed;
  }
  if (settings.launches_until_failure > 0) --settings.launches_until_failure;
  ++settings.launches;
  ++kernel.launches;
  Options options;
  options.seed = static_cast<uint64_t>(settings.launches);
  options.check = settings.check != 0;
  options.shared_limit = shared_limit(settings.capability);
  options.collectives = kernel.collectives;
  options.architecture = settings.capability < 80 ? 75 : settings.capability == 90 ? 90 : 80;
  std::vector<ParamLine> aligned(params.size() / sizeof(ParamLine) + 1);
  std::memcpy(aligned.data(), params.data(), params.size());
  try {
    run_in_parts(
        launch, settings.threads, [&] { kernel.run(aligned.data()); }, options);
  } catch (const std::exception& error) {
    fault = std::string(kernel.name) + ": " + error.what();
    std::fprintf(stderr, "emulated card: %s\n", fault.c_str());
    return kLaunchFailed;
  }
  return kOk;
}

}  // namespace tamis::cuda::emulator
