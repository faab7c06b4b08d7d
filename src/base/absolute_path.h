// What a path means, as one name: for comparing paths and for keeping them.
#pragma once

#include <string>

namespace kvlink {

// Absolute, without "." and doubled slashes. ".." behind a linked folder is taken as the system
// takes it; other links keep their names. A path whose ".." leads nowhere stays as it is.
std::string AbsolutePath(const std::string& path);

}  // namespace kvlink
