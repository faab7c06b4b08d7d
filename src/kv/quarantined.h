// What a store set aside as damaged or foreign still holds texts: those of blocks that are to leave
// the store leave its quarantine too.
#pragma once

#include <set>
#include <string>

#include "base/file.h"
#include "kvlink/status.h"

namespace kvlink {

// `store`: the folder; `blocks`: ids in hex.
Status RemoveQuarantined(FileSystem& files, const std::string& store,
                         const std::set<std::string>& blocks);

}  // namespace kvlink
