#include "link/method_rules.h"

namespace kvlink::link {
namespace {

MethodRules RulesOfKind(MethodKind kind) {
  switch (kind) {
    case MethodKind::kLink:
      return {};
    case MethodKind::kFull:
      return {.layout = Layout::kFull, .adapter = false};
    case MethodKind::kFullAdapter:
      return {.layout = Layout::kFull, .needs_adapter = true};
    case MethodKind::kNone:
      return {.uses_documents = false};
    case MethodKind::kNoneBase:
      return {.uses_documents = false, .adapter = false};
    case MethodKind::kBlock:
      return {.needs_adapter = true, .needs_no_links = true};
    case MethodKind::kReuse:
    case MethodKind::kApe:
      return {.layout = Layout::kUnlinked, .adapter = false};
    case MethodKind::kNaive:
      return {.layout = Layout::kUnlinked, .adapter = false, .reencoded = false};
    case MethodKind::kEpic:
      return {.layout = Layout::kUnlinked, .adapter = false, .recompute = Recompute::kFirst};
    case MethodKind::kCacheBlend:
      return {.layout = Layout::kUnlinked, .adapter = false, .recompute = Recompute::kDeviates};
    case MethodKind::kAttention:
      return {.layout = Layout::kUnlinked, .adapter = false, .recompute = Recompute::kAttended};
    case MethodKind::kLinkEpic:
      return {.recompute = Recompute::kFirst};
    case MethodKind::kLinkCacheBlend:
      return {.recompute = Recompute::kDeviates};
    case MethodKind::kLinkAttention:
      return {.recompute = Recompute::kAttended};
  }
  return {};
}

}  // namespace

MethodRules RulesOf(const Method& method) {
  MethodRules rules = RulesOfKind(method.kind);
  rules.method = method;
  if (rules.recompute == Recompute::kFirst) {
    rules.first = static_cast<int32_t>(method.amount);
  } else if (rules.recompute != Recompute::kNothing) {
    rules.fraction = method.amount;
  }
  if (method.kind == MethodKind::kApe) {
    rules.ape = {static_cast<float>(method.temperature), static_cast<float>(method.scale)};
  }
  return rules;
}

}  // namespace kvlink::link
