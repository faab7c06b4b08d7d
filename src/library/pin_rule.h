// Which blocks are pinned: those of the documents that the list of documents says are. The store's
// own pins follow from it.
#pragma once

#include <string>

#include "kv/disk_store.h"

namespace kvlink::library {

// Reads documents.sqlite when it is first asked; where that cannot be read, nothing is known.
kv::PinRule MakePinRule(const std::string& documents_path);

}  // namespace kvlink::library
