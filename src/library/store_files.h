// Files of a store's folder that are the library's, and small questions to the disk.
#pragma once

#include <string>

namespace kvlink::library {

// The list of documents.
std::string DocumentsPath(const std::string& store);

// False: nothing is there. What cannot be looked at (a closed folder, a dead disk) is.
bool FileExists(const std::string& path);
bool IsWritable(const std::string& path);

}  // namespace kvlink::library
