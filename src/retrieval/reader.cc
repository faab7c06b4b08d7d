#include "retrieval/reader.h"

#include <utility>

namespace kvlink::retrieval {

Result<FileText> FinishReading(TextBuilder builder) {
  if (builder.full()) {
    return InvalidArgument("holds more than " + std::to_string(kMostTextBytes >> 20) +
                           " MiB of text; split it");
  }
  return std::move(builder).Finish();
}

}  // namespace kvlink::retrieval
