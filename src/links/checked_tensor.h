// How the readers and writers of link files refuse: what, expected, found, in one line. Private to
// the room. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"
#include "kvlink/status.h"

namespace kvlink::links {

std::string Mismatch(std::string_view what, std::string_view expected, std::string_view found);
std::string ShapeText(std::span<const int64_t> shape);  // "[2, 3]"

// kInvalidArgument names the first number that is NaN or infinite.
Status CheckFinite(std::string_view what, std::span<const float> values);
// The tensor's numbers, finite all. kInvalidArgument: another dtype than F32, F16, BF16, too.
Result<std::vector<float>> ReadFloats(std::string_view what, const formats::SafeTensor& tensor);

}  // namespace kvlink::links
