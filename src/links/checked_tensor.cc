#include "links/checked_tensor.h"

#include <cmath>

#include "base/quote.h"

namespace kvlink::links {

std::string Mismatch(std::string_view what, std::string_view expected, std::string_view found) {
  std::string text(what);
  return text.append(": expected ").append(expected).append(", found ").append(found);
}

std::string ShapeText(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

Status CheckFinite(std::string_view what, std::span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    return InvalidArgument(Mismatch(what, "finite numbers",
                                    std::to_string(values[i]) + " at index " + std::to_string(i)));
  }
  return {};
}

Result<std::vector<float>> ReadFloats(std::string_view what, const formats::SafeTensor& tensor) {
  if (tensor.dtype != "F32" && tensor.dtype != "F16" && tensor.dtype != "BF16") {
    return InvalidArgument(Mismatch(what, "dtype F32, F16 or BF16", Quoted(tensor.dtype)));
  }
  std::vector<float> values = tensor.ToFloat();
  KVLINK_RETURN_IF_ERROR(CheckFinite(what, values));
  return values;
}

}  // namespace kvlink::links
