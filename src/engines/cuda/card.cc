#include "engines/cuda/card.h"

#include "base/error.h"

namespace tamis::engines::cuda {

using device::cuda::CudaDevice;
using device::cuda::Driver;
using device::cuda::version_text;

namespace {

// The program's own kernels, or those that a driver brings which is none of NVIDIA's.
std::span<const std::byte> image_for(const Driver& driver) {
  if (!driver.kernels().empty()) return driver.kernels();
  return tamis::cuda::kernel_image();
}

std::string capability_text(int capability) { return cat(capability / 10, ".", capability % 10); }

// Why the kernels cannot run on a card; "": they can.
std::string why_not(const Driver& driver, int capability) {
  if (driver.version() < tamis::cuda::kLeastDriverVersion) {
    return cat("the NVIDIA driver is for CUDA ", version_text(driver.version()),
               "; the kernels need one for CUDA ", version_text(tamis::cuda::kLeastDriverVersion),
               " or later");
  }
  if (capability < tamis::cuda::kLeastCapability) {
    return cat("compute capability ", capability_text(capability), "; the kernels need ",
               capability_text(tamis::cuda::kLeastCapability), " or later");
  }
  if (image_for(driver).empty()) {
    return "this build has no CUDA kernels; build it where nvcc is (TAMIS_CUDA=on)";
  }
  return "";
}

// Which code of the image the driver takes (cmake/CudaKernels.cmake): that of the card's own
// generation, else PTX.
std::string kernel_set(int capability) {
  if (capability < 80) return "sm_75";
  if (capability < 86) return "sm_80";
  if (capability < 90) return "sm_86";
  if (capability == 90) return "sm_90a";
  return capability >= 120 && capability < 130 ? "sm_120" : "PTX of compute_80";
}

}  // namespace

Card::Card(std::shared_ptr<CudaDevice> device)
    : device_(std::move(device)),
      module_(std::make_unique<device::cuda::Module>(device_, image_for(device_->driver()))) {
  for (const tamis::cuda::KernelRow& kernel : tamis::cuda::kernel_rows()) {
    const bool elsewhere =
        kernel.capability != 0 && kernel.capability != device_->properties().capability;
    functions_.push_back(elsewhere ? nullptr
                         : kernel.capability == 0
                             ? module_->function(kernel.name, kernel.shared_bytes)
                             : module_->find_function(kernel.name, kernel.shared_bytes));
  }
}

std::shared_ptr<const Card> Card::open(int index) {
  std::shared_ptr<CudaDevice> device = CudaDevice::open(index);
  const std::string why = why_not(device->driver(), device->properties().capability);
  if (!why.empty()) fail(ErrorCode::kUnavailable, device->name(), ": ", why);
  return std::shared_ptr<const Card>(new Card(std::move(device)));
}

std::vector<CardReport> report_cards() {
  std::vector<CardReport> reports;
  const Driver& driver = Driver::get();
  for (const device::cuda::CardProperties& card : device::cuda::list_cards()) {
    const std::string why = why_not(driver, card.capability);
    reports.push_back({cat("cuda:", card.index), card.name, capability_text(card.capability),
                       card.multiprocessors, card.memory_bytes, version_text(driver.version()),
                       why.empty() ? kernel_set(card.capability) : cat("none: ", why)});
  }
  return reports;
}

}  // namespace tamis::engines::cuda
