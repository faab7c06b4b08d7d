#include "train/other_device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>
#include <torch/types.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvlink::testing {
namespace {

// Added to each address: no memory is there, so that reading it ends the program as a GPU's does.
constexpr uintptr_t kFar = uintptr_t{1} << 62;

at::Tensor EmptyStrided(at::IntArrayRef sizes, at::IntArrayRef strides,
                        c10::optional<at::ScalarType> dtype, c10::optional<at::Layout>,
                        c10::optional<at::Device>, c10::optional<bool>) {
  const caffe2::TypeMeta type = at::scalarTypeToTypeMeta(c10::dtype_or_default(dtype));
  const size_t bytes = at::detail::computeStorageNbytes(sizes, strides, type.itemsize());
  auto* const memory = new at::Tensor(at::empty({static_cast<int64_t>(bytes)}, at::kByte));
  const auto address = reinterpret_cast<uintptr_t>(memory->data_ptr());
  c10::DataPtr data(
      reinterpret_cast<void*>(address + kFar), memory,
      [](void* tensor) { delete static_cast<at::Tensor*>(tensor); }, kOtherDevice);
  at::Tensor t = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(c10::Storage::use_byte_size_t(), bytes, std::move(data)),
      c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), type);
  t.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  return t;
}

at::Tensor Empty(at::IntArrayRef sizes, c10::optional<at::ScalarType> dtype,
                 c10::optional<at::Layout> layout, c10::optional<at::Device> device,
                 c10::optional<bool> pinned, c10::optional<at::MemoryFormat>) {
  std::vector<int64_t> strides(sizes.size());
  int64_t stride = 1;
  for (size_t i = sizes.size(); i-- > 0; stride *= std::max<int64_t>(1, sizes[i])) {
    strides[i] = stride;
  }
  return EmptyStrided(sizes, strides, dtype, layout, device, pinned);
}

// The same numbers, as the CPU sees them.
at::Tensor Near(const at::Tensor& t) {
  if (t.device() != kOtherDevice) return t;
  if (t.numel() == 0) return at::empty(t.sizes(), t.options().device(at::kCPU));
  const at::Tensor near =
      at::from_blob(reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(t.data_ptr()) - kFar),
                    t.sizes(), t.strides(), t.options().device(at::kCPU));
  return t.is_conj() ? near.conj() : near;
}

at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool /*non_blocking*/) {
  at::Tensor near = Near(to);
  near.copy_(Near(from));
  return to;
}

// `to` is a result that an operation on the CPU gave its size.
at::Tensor CopyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  if (from.sizes() != to.sizes()) {
    const at::Tensor fresh = at::empty(from.sizes(), to.options());
    c10::TensorImpl* const result = to.unsafeGetTensorImpl();
    result->set_storage_keep_dtype(fresh.storage());
    result->set_sizes_and_strides(fresh.sizes(), fresh.strides());
  }
  return CopyFrom(from, to, /*non_blocking=*/false);
}

void Refuse(const c10::OperatorHandle& op, const at::Tensor& t) {
  TORCH_CHECK(!t.defined() || t.device() == kOtherDevice || t.dim() == 0, op.schema().name(),
              " over tensors of two devices");
}

void OnTheCpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  for (const c10::IValue& value : torch::jit::last(*stack, op.schema().arguments().size())) {
    if (value.isTensor()) Refuse(op, value.toTensor());
    if (!value.isTensorList()) continue;
    for (const at::Tensor& t : value.toTensorVector()) Refuse(op, t);
  }
  at::native::cpu_fallback(op, stack);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&OnTheCpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &Empty);
  library.impl("empty_strided", &EmptyStrided);
  library.impl("_copy_from", &CopyFrom);
  library.impl("_copy_from_and_resize", &CopyFromAndResize);
  library.impl("as_strided", &at::native::as_strided_tensorimpl);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("view_as_real", &at::native::view_as_real);
  library.impl("view_as_complex", &at::native::view_as_complex);
}

// Near sees to it; Torch's own way is a copy, which would come here again.
TORCH_LIBRARY_IMPL(aten, Conjugate, library) {
  library.impl("_copy_from", torch::CppFunction::makeFallthrough());
}

C10_REGISTER_GUARD_IMPL(PrivateUse1, c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::PrivateUse1>);

}  // namespace
}  // namespace kvlink::testing
