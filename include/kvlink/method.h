// The ways of putting documents into a prompt: linking, full attention, and what they are compared
// with. docs/methods.md says what each does and whose it is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/status.h"

namespace kvlink {

enum class MethodKind : uint8_t {
  kLink,
  kFull,
  kFullAdapter,
  kNone,
  kNoneBase,
  kBlock,
  kReuse,
  kNaive,
  kEpic,            // amount: tokens
  kCacheBlend,      // amount: a share
  kAttention,       // amount: a share
  kLinkEpic,        // amount: tokens
  kLinkCacheBlend,  // amount: a share
  kLinkAttention,   // amount: a share
  kApe,             // temperature and scale
};

struct Method {
  MethodKind kind = MethodKind::kLink;
  // What is computed again for each prompt: tokens of each document (a whole number, 0 or more), or
  // the share of all of them (0 to 1).
  double amount = 0;
  double temperature = 1, scale = 1;  // kApe's; above 0

  bool operator==(const Method&) const = default;
};

// As ParseMethod reads it: "link", "epic:8", "cacheblend:0.15", "ape:0.9,0.9".
std::string Name(const Method& method);
// Their names with commas between them, as ParseMethods reads them.
std::string Names(std::span<const Method> methods);

// kInvalidArgument names the methods there are, or what a number may be.
Result<Method> ParseMethod(std::string_view text);
// A list with commas between methods: "full,ape:0.9,0.9,link" is three, since ape's numbers hold a
// comma of their own. kInvalidArgument also for a method that is named twice.
Result<std::vector<Method>> ParseMethods(std::string_view list);

}  // namespace kvlink
