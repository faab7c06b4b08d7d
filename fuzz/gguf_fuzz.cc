// libFuzzer: any bytes as a model's file. Seeds: tiny models (fuzz/CMakeLists.txt says how to run).
#include "gguf_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)kvlink::fuzz::ReadGguf({reinterpret_cast<const char*>(data), size});
  return 0;
}
