// What a GGUF file may say that would change every number and that this build does not compute:
// refused by name, so that no answer is wrong without a word. Not here: what is computed
// (model/config.h).
#pragma once

#include <string_view>

#include "formats/gguf.h"
#include "kvlink/status.h"

namespace kvlink::model {

// kUnsupported: the file is one part of a split model, whatever it holds: what it lacks lies in
// another part. kInvalidArgument: it has another number of tensors than it says.
Status CheckIsWhole(const formats::GgufFile& file);

// kUnsupported names a key of the architecture that is neither read nor known to have no effect,
// and that is set to something; or quantised numbers in a layout of before GGUF.
Status RefuseOtherSettings(const formats::GgufFile& file, std::string_view architecture);

}  // namespace kvlink::model
