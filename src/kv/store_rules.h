// What a store asks the owner of documents about a block. Both are called under the store's lock,
// and may not call the store.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "kvlink/status.h"

namespace kvlink::kv {

// Whether the document of a block is pinned, by the block's label; nothing: not known. Pins belong
// to documents, whose owner keeps them; the catalogue's follow from that.
using PinRule = std::function<std::optional<bool>(std::string_view label)>;

// Told of a block that is about to be kept, by its label and id in hex, while the store is locked.
// Not OK: it is not kept.
using KeepRule = std::function<Status(std::string_view label, std::string_view block)>;

}  // namespace kvlink::kv
