#include "kvlink/method.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/quote.h"

namespace kvlink {
namespace {

constexpr std::string_view kMethods =
    "full, full+adapter, none, none-base, link, block, reuse, naive, epic:TOKENS, "
    "cacheblend:SHARE, attention:SHARE, link+epic:TOKENS, link+cacheblend:SHARE, "
    "link+attention:SHARE, ape:TEMPERATURE,SCALE (docs/methods.md)";

// What stands behind a method's name and a colon.
enum class Numbers { kNone, kTokens, kShare, kTemperatureAndScale };

struct NamedKind {
  std::string_view name;
  MethodKind kind;
  Numbers numbers = Numbers::kNone;
};

constexpr NamedKind kKinds[] = {
    {"link", MethodKind::kLink},
    {"full", MethodKind::kFull},
    {"full+adapter", MethodKind::kFullAdapter},
    {"none", MethodKind::kNone},
    {"none-base", MethodKind::kNoneBase},
    {"block", MethodKind::kBlock},
    {"reuse", MethodKind::kReuse},
    {"naive", MethodKind::kNaive},
    {"epic", MethodKind::kEpic, Numbers::kTokens},
    {"cacheblend", MethodKind::kCacheBlend, Numbers::kShare},
    {"attention", MethodKind::kAttention, Numbers::kShare},
    {"link+epic", MethodKind::kLinkEpic, Numbers::kTokens},
    {"link+cacheblend", MethodKind::kLinkCacheBlend, Numbers::kShare},
    {"link+attention", MethodKind::kLinkAttention, Numbers::kShare},
    {"ape", MethodKind::kApe, Numbers::kTemperatureAndScale},
};

const NamedKind& NamedKindOf(MethodKind kind) {
  return *std::find_if(std::begin(kKinds), std::end(kKinds),
                       [&](const NamedKind& named) { return named.kind == kind; });
}

// The shortest text that reads as the same number.
std::string Text(double number) {
  char text[32];
  return {text, std::to_chars(text, std::end(text), number).ptr};
}

// The whole of the text is one number.
template <typename T>
bool ReadNumber(std::string_view text, T* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

bool ReadTokens(std::string_view text, Method* method) {
  int32_t tokens = 0;
  if (!ReadNumber(text, &tokens) || tokens < 0) return false;
  method->amount = tokens;
  return true;
}

bool ReadShare(std::string_view text, Method* method) {
  return ReadNumber(text, &method->amount) && method->amount >= 0 && method->amount <= 1;
}

bool ReadTemperatureAndScale(std::string_view text, Method* method) {
  const size_t comma = text.find(',');
  const auto usable = [](double x) { return std::isfinite(x) && x > 0; };
  return comma != text.npos && ReadNumber(text.substr(0, comma), &method->temperature) &&
         ReadNumber(text.substr(comma + 1), &method->scale) && usable(method->temperature) &&
         usable(method->scale);
}

Status WrongNumber(std::string_view text, std::string_view expected) {
  return InvalidArgument("method " + Quoted(text) + ": expected " + std::string(expected));
}

Status ReadNumbers(std::string_view text, const NamedKind& named, std::string_view numbers,
                   Method* method) {
  switch (named.numbers) {
    case Numbers::kNone:
      return {};
    case Numbers::kTokens:
      if (ReadTokens(numbers, method)) return {};
      return WrongNumber(text, "how many tokens of each document, 0 or more, as in " +
                                   std::string(named.name) + ":8");
    case Numbers::kShare:
      if (ReadShare(numbers, method)) return {};
      return WrongNumber(text, "the share of the documents' tokens, 0 to 1, as in " +
                                   std::string(named.name) + ":0.15");
    case Numbers::kTemperatureAndScale:
      if (ReadTemperatureAndScale(numbers, method)) return {};
      return WrongNumber(text, "a temperature and a scale, each above 0, as in ape:0.9,0.9");
  }
  return {};
}

}  // namespace

std::string Name(const Method& method) {
  const NamedKind& named = NamedKindOf(method.kind);
  std::string name(named.name);
  if (named.numbers == Numbers::kNone) return name;
  if (named.numbers == Numbers::kTemperatureAndScale) {
    return name + ":" + Text(method.temperature) + "," + Text(method.scale);
  }
  return name + ":" + Text(method.amount);
}

std::string Names(std::span<const Method> methods) {
  std::string names;
  for (const Method& method : methods) names += (names.empty() ? "" : ",") + Name(method);
  return names;
}

Result<Method> ParseMethod(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  for (const NamedKind& named : kKinds) {
    if (name != named.name || (colon == text.npos) != (named.numbers == Numbers::kNone)) continue;
    Method method{.kind = named.kind};
    if (colon != text.npos) {
      KVLINK_RETURN_IF_ERROR(ReadNumbers(text, named, text.substr(colon + 1), &method));
    }
    return method;
  }
  return InvalidArgument("unknown method " + Quoted(text) + "; the methods are " +
                         std::string(kMethods));
}

Result<std::vector<Method>> ParseMethods(std::string_view list) {
  std::vector<Method> methods;
  for (size_t begin = 0; begin <= list.size();) {
    size_t end = list.find(',', begin);
    if (list.substr(begin).starts_with("ape:") && end != list.npos) end = list.find(',', end + 1);
    end = std::min(end, list.size());
    KVLINK_ASSIGN_OR_RETURN(const Method method, ParseMethod(list.substr(begin, end - begin)));
    if (std::find(methods.begin(), methods.end(), method) != methods.end()) {
      return InvalidArgument("method " + Quoted(Name(method)) + " is named twice");
    }
    methods.push_back(method);
    begin = end + 1;
  }
  return methods;
}

}  // namespace kvlink
