// What a link file's metadata may hold, and its quality gate as JSON. Private to the room; grammar
// in docs/link-file.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kvlink/status.h"
#include "links/links.h"

namespace kvlink::links {

inline constexpr std::string_view kLinkFormat = "kvlink-links";
inline constexpr int32_t kLinkVersion = 1;
inline constexpr std::string_view kAnyBase = "any";
inline constexpr std::string_view kLinkEmbeddings = "link_embeddings";
inline constexpr std::string_view kLinkFields[] = {
    "format", "version", "k", "base", "token_ids", "template", "adapter", "gate", "provenance"};
// Far above any use; small enough that no product of them with a width wraps.
inline constexpr int32_t kMaxLinkTokens = 64;
inline constexpr int32_t kMaxLinkSlots = 4096;

std::string FieldName(std::string_view name);                       // metadata "name"
Status CheckObject(std::string_view field, std::string_view text);  // a JSON object
Result<QualityGate> ReadGate(std::string_view text);

}  // namespace kvlink::links
