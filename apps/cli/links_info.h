// kvlink model info LINKS: what a link file says of itself, whatever model it belongs to.
#pragma once

#include <string>

#include "cli/session.h"
#include "kvlink/status.h"

namespace kvlink::cli {

bool IsLinkFile(const std::string& path);  // by its name

// kInvalidArgument: not a link file.
Result<int> PrintLinksInfo(const std::string& path, Session& session);

}  // namespace kvlink::cli
