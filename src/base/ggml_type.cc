#include "base/ggml_type.h"

namespace kvlink {

const GgmlTypeTraits* TraitsOf(uint32_t ggml_type) {
  static constexpr struct {
    GgmlType type;
    GgmlTypeTraits traits;
  } kTypes[] = {
      {GgmlType::kF32, {"F32", 1, 4}},       {GgmlType::kF16, {"F16", 1, 2}},
      {GgmlType::kQ4_0, {"Q4_0", 32, 18}},   {GgmlType::kQ4_1, {"Q4_1", 32, 20}},
      {GgmlType::kQ5_0, {"Q5_0", 32, 22}},   {GgmlType::kQ5_1, {"Q5_1", 32, 24}},
      {GgmlType::kQ8_0, {"Q8_0", 32, 34}},   {GgmlType::kQ2_K, {"Q2_K", 256, 84}},
      {GgmlType::kQ3_K, {"Q3_K", 256, 110}}, {GgmlType::kQ4_K, {"Q4_K", 256, 144}},
      {GgmlType::kQ5_K, {"Q5_K", 256, 176}}, {GgmlType::kQ6_K, {"Q6_K", 256, 210}},
      {GgmlType::kBF16, {"BF16", 1, 2}},
  };
  for (const auto& row : kTypes) {
    if (static_cast<uint32_t>(row.type) == ggml_type) return &row.traits;
  }
  return nullptr;
}

}  // namespace kvlink
