#include "kv/store_names.h"

#include <algorithm>
#include <vector>

namespace kvlink::kv {
namespace {

constexpr std::string_view kSuffix = ".kvb";
constexpr size_t kIdDigits = 64;
constexpr size_t kShortDigits = 16;  // of an id's beginning, and of a random part

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }

bool IsHex(std::string_view part, size_t digits) {
  return part.size() == digits && std::all_of(part.begin(), part.end(), IsHexDigit);
}
bool IsNumber(std::string_view part) {
  return !part.empty() && part.size() <= 20 && std::all_of(part.begin(), part.end(), IsDigit);
}

std::vector<std::string_view> Parts(std::string_view name) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0;;) {
    const size_t end = name.find('-', begin);
    parts.push_back(name.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

// Names end in something random; those of older versions in a process and a serial number.
bool IsTail(const std::vector<std::string_view>& parts, size_t begin) {
  if (parts.size() == begin + 1) return IsHex(parts[begin], kShortDigits);
  return parts.size() == begin + 2 && IsNumber(parts[begin]) && IsNumber(parts[begin + 1]);
}

}  // namespace

std::string ShardName(const BlockId& id) { return ToHex(std::span(id).first(1)); }

std::string BlockFileName(const BlockId& id) { return ToHex(id) + std::string(kSuffix); }

Result<BlockId> IdOfBlockFile(std::string_view shard, std::string_view name) {
  if (name.ends_with(kSuffix) && name.starts_with(shard)) {
    const Result<BlockId> id = DigestFromHex(name.substr(0, name.size() - kSuffix.size()));
    // Only one spelling, else one file would answer to two names.
    if (id.ok() && BlockFileName(*id) == name && ShardName(*id) == shard) return *id;
  }
  return InvalidArgument("'" + std::string(name) + "' is no block's name");
}

std::string NewTemporaryName(const BlockId& id) {
  return ToHex(std::span(id).first(kShortDigits / 2)) + "-" + RandomName();
}

bool IsTemporaryName(std::string_view name) {
  const auto parts = Parts(name);
  return IsHex(parts[0], kShortDigits) && IsTail(parts, 1);
}

std::string NewQuarantineName(const BlockId& id, int64_t now_ms) {
  return ToHex(id) + "-" + std::to_string(now_ms) + "-" + RandomName();
}

bool IsQuarantineName(std::string_view name) {
  const auto parts = Parts(name);
  return parts.size() > 2 && IsHex(parts[0], kIdDigits) && IsNumber(parts[1]) && IsTail(parts, 2);
}

bool IsUnfinishedFormatName(std::string_view name) {
  if (IsTemporaryNameOf("FORMAT", name)) return true;
  constexpr std::string_view kBegin = "FORMAT.tmp-";  // then as older versions did
  return name.starts_with(kBegin) && IsTail(Parts(name.substr(kBegin.size())), 0);
}

}  // namespace kvlink::kv
