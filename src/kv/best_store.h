// The best disk store that can be had, for whoever can do without keeping blocks.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kv/disk_store.h"

namespace kvlink::kv {

// For writing, else for reading, else none (nullptr), with one line to `warn`. A folder that is no
// store and not empty is a mistake to be told of: kFailedPrecondition.
Result<std::unique_ptr<DiskStore>> OpenBestStore(
    DiskStoreOptions options, const std::function<void(const std::string&)>& warn);

}  // namespace kvlink::kv
