// All kernels, for what makes them: nvcc and the test double of the driver.
#pragma once

#include "kernels/cuda/attention/attention_b16-inl.h"
#include "kernels/cuda/attention/attention_plain-inl.h"
#include "kernels/cuda/elementwise/elementwise-inl.h"
#include "kernels/cuda/gemm_b16/gemm_b16-inl.h"
#include "kernels/cuda/gemm_f32/gemm_f32-inl.h"
#include "kernels/cuda/gemm_s8/gemm_s8-inl.h"
#include "kernels/cuda/pooling/pooling-inl.h"
#include "kernels/cuda/rotary/rotary-inl.h"
#include "kernels/cuda/rows/rows-inl.h"
#include "kernels/cuda/select/select-inl.h"
