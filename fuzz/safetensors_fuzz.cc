// libFuzzer: any bytes as a safetensors file.
#include "safetensors_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)kvlink::fuzz::ReadSafetensors({reinterpret_cast<const char*>(data), size});
  return 0;
}
