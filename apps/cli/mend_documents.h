// The list of documents, where it was lost or damaged: restored from the blocks' labels, and what
// is left of it besides. Works without a model.
#pragma once

#include <cstdint>
#include <string>

#include "cli/session.h"
#include "kv/disk_store.h"
#include "kvlink/status.h"

namespace kvlink::cli {

// How many documents were restored: 0 if their list is sound, or may not be written. All or
// nothing: what was there before is left until the new list is whole.
Result<int64_t> MendDocuments(Session& session, DiskStore& store);

// Lists that were set aside as damaged, or never finished: they hold texts too.
Status RemoveSpareDocuments(const std::string& store);

}  // namespace kvlink::cli
