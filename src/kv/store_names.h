// The names that kvlink gives to files in a store, and which names it may have given: nothing else
// in the folder is ever removed. Where the files lie: kv/store_folder.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kv/block.h"

namespace kvlink::kv {

// PRAGMA application_id of catalogue.sqlite, so that nobody else's database is taken for ours
// ("kvlb"), and a folder that lost its FORMAT is known as ours.
inline constexpr uint32_t kCatalogueMark = 0x6b766c62;

// The mark that rows and files are in step (kv/step_mark.h).
inline constexpr std::string_view kStepMarkName = "in-step";

std::string ShardName(const BlockId& id);      // ab
std::string BlockFileName(const BlockId& id);  // <64 hex>.kvb
// kInvalidArgument: not the one spelling that BlockFileName gives, in the folder where it belongs.
Result<BlockId> IdOfBlockFile(std::string_view shard, std::string_view name);

std::string NewTemporaryName(const BlockId& id);                   // in tmp/
bool IsTemporaryName(std::string_view name);                       // of any version of kvlink
std::string NewQuarantineName(const BlockId& id, int64_t now_ms);  // in quarantine/
bool IsQuarantineName(std::string_view name);
// What a creation that was cut short may leave in the folder itself.
bool IsUnfinishedFormatName(std::string_view name);

}  // namespace kvlink::kv
