// A second device for Torch, for tests where there is no GPU. It computes on the CPU, but keeps
// what a GPU asks of a program: an operation over its tensors and the CPU's fails (a number alone
// may come from the CPU), and its memory cannot be read through data_ptr.
#pragma once

#include <c10/core/Device.h>

namespace kvlink::testing {

inline const c10::Device kOtherDevice(c10::kPrivateUse1, 0);

}  // namespace kvlink::testing
