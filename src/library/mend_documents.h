// The list of documents, where it was lost or damaged: restored from the blocks' labels, and what
// is left of it besides. Works without a model.
#pragma once

#include <cstdint>
#include <string>

#include "kv/disk_store.h"
#include "kvlink/status.h"
#include "library/warn.h"

namespace kvlink::library {

// How many documents were restored: 0 if their list is sound, or may not be written. All or
// nothing: what was there before is left until the new list is whole.
// folder: the store's.
Result<int64_t> MendDocuments(const std::string& folder, kv::DiskStore& store, const Warn& warn);

// Lists that were set aside as damaged, or never finished: they hold texts too.
Status RemoveSpareDocuments(const std::string& store);

}  // namespace kvlink::library
