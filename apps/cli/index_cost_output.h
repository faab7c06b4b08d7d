// What people are told and asked of the blocks that indexing is about to compute.
#pragma once

#include <cstdint>
#include <string>

#include "cli/session.h"
#include "kvlink/library.h"

namespace kvlink::cli {

// Blocks that are computed without a yes where nobody can be asked, in bytes.
inline constexpr int64_t kMostUnasked = 10'000'000'000;

// Tells or asks, where it is much. OK: go on; kCancelled: people said no.
Status Agree(const IndexCost& cost, bool yes, Session& session);

}  // namespace kvlink::cli
