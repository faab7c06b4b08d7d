// libFuzzer: any bytes as an EPUB.
#include "reader_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)kvlink::fuzz::ReadAs(kvlink::retrieval::FileKind::kEpub,
                             {reinterpret_cast<const char*>(data), size});
  return 0;
}
