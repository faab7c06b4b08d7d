// The adapter inside a link file: PEFT's names, shapes and row order <-> kvlink's. Private to the
// room; grammar in docs/link-file.md.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "formats/safetensors.h"
#include "kvlink/status.h"
#include "model/adapter.h"
#include "model/config.h"

namespace kvlink::links {

// The adapter that the metadata field "adapter" describes. Each tensor that belongs to it is added
// to `used`. Messages name the field or tensor; the caller adds the file.
Result<model::Adapter> ReadAdapter(const formats::SafetensorsFile& file,
                                   std::string_view description, const model::ModelConfig& config,
                                   std::set<std::string_view>* used);

// The reverse: adds the tensors and gives the metadata field. kInvalidArgument for what
// ReadAdapter would refuse or the grammar cannot say (ranks that differ, targets that differ
// between layers).
Result<std::string> WriteAdapter(const model::Adapter& adapter, const model::ModelConfig& config,
                                 std::map<std::string, formats::SafeTensorToWrite>* tensors);

}  // namespace kvlink::links
