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

void check_usable(const CudaDevice& device) {
  const Driver& driver = device.driver();
  if (driver.version() < tamis::cuda::kLeastDriverVersion) {
    fail(ErrorCode::kUnavailable, "CUDA: the NVIDIA driver is for CUDA ",
         version_text(driver.version()), "; the kernels need one for CUDA ",
         version_text(tamis::cuda::kLeastDriverVersion), " or later");
  }
  if (device.properties().capability < tamis::cuda::kLeastCapability) {
    fail(ErrorCode::kUnavailable, device.name(), ": compute capability ",
         device.properties().capability / 10, ".", device.properties().capability % 10,
         "; the kernels need ", tamis::cuda::kLeastCapability / 10, ".",
         tamis::cuda::kLeastCapability % 10, " or later");
  }
  if (image_for(driver).empty()) {
    fail(ErrorCode::kUnavailable,
         "CUDA: this build has no CUDA kernels; build it where nvcc is (TAMIS_CUDA=on)");
  }
}

}  // namespace

Card::Card(std::shared_ptr<CudaDevice> device)
    : device_(std::move(device)),
      module_(std::make_unique<device::cuda::Module>(device_, image_for(device_->driver()))) {
  for (const tamis::cuda::KernelRow& kernel : tamis::cuda::kernel_rows()) {
    functions_.push_back(module_->function(kernel.name, kernel.shared_bytes));
  }
}

std::shared_ptr<const Card> Card::open(int index) {
  std::shared_ptr<CudaDevice> device = CudaDevice::open(index);
  check_usable(*device);
  return std::shared_ptr<const Card>(new Card(std::move(device)));
}

}  // namespace tamis::engines::cuda
