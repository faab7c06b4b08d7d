// What the safetensors fuzzer runs, and the mutation test with it.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "formats/safetensors.h"
#include "support/memory_file.h"

namespace kvlink::fuzz {

// Whether the file was accepted. Aborts if a promise of the reader is broken.
inline bool ReadSafetensors(std::string_view bytes) {
  testing::MemoryFile files(bytes);
  const auto file = formats::SafetensorsFile::Open(files, "fuzz.safetensors");
  if (!file.ok()) {
    KVLINK_CHECK(!file.status().message().empty());
    for (const char c : file.status().message()) {
      KVLINK_CHECK(static_cast<unsigned char>(c) >= 0x20);
    }
    return false;
  }
  size_t total = 0;
  for (const auto& [name, tensor] : (*file)->tensors()) {
    const bool floats = tensor.dtype == "F32" || tensor.dtype == "F16" || tensor.dtype == "BF16";
    const size_t expected = floats ? static_cast<size_t>(tensor.elements()) : 0;
    KVLINK_CHECK(tensor.ToFloat().size() == expected);
    total += tensor.data.size();
  }
  KVLINK_CHECK(total <= bytes.size());
  return true;
}

}  // namespace kvlink::fuzz
