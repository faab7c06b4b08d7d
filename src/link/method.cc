#include "link/method.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/quote.h"

namespace kvlink::link {
namespace {

constexpr std::string_view kMethods =
    "full, full+adapter, none, none-base, link, block, reuse, naive, epic:TOKENS, "
    "cacheblend:SHARE, attention:SHARE, link+epic:TOKENS, link+cacheblend:SHARE, "
    "link+attention:SHARE, ape:TEMPERATURE,SCALE (docs/methods.md)";

Status Unknown(std::string_view text) {
  return InvalidArgument("unknown method " + Quoted(text) + "; the methods are " +
                         std::string(kMethods));
}

Status WrongNumber(std::string_view text, std::string_view expected) {
  return InvalidArgument("method " + Quoted(text) + ": expected " + std::string(expected));
}

// The whole of the text is one number.
template <typename T>
bool ReadNumber(std::string_view text, T* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

struct Fixed {
  std::string_view name;
  Method method;
};

// Methods without numbers. Their names are filled in.
const Fixed kFixed[] = {
    {"link", {}},
    {"full", {.layout = Layout::kFull, .adapter = false}},
    {"full+adapter", {.layout = Layout::kFull, .needs_adapter = true}},
    {"none", {.documents = false}},
    {"none-base", {.documents = false, .adapter = false}},
    {"block", {.needs_adapter = true, .needs_no_links = true}},
    {"reuse", {.layout = Layout::kUnlinked, .adapter = false}},
    {"naive", {.layout = Layout::kUnlinked, .adapter = false, .reencoded = false}},
};

Status ReadRecompute(std::string_view text, std::string_view kind, std::string_view number,
                     Method* method) {
  if (kind == "epic") {
    method->recompute = Method::Recompute::kFirst;
    if (!ReadNumber(number, &method->first) || method->first < 0) {
      return WrongNumber(text, "how many tokens of each document, 0 or more, as in epic:8");
    }
    return {};
  }
  if (kind != "cacheblend" && kind != "attention") return Unknown(text);
  method->recompute =
      kind == "cacheblend" ? Method::Recompute::kDeviates : Method::Recompute::kAttended;
  if (!ReadNumber(number, &method->fraction) || !(method->fraction >= 0 && method->fraction <= 1)) {
    return WrongNumber(
        text, "the share of the documents' tokens, 0 to 1, as in " + std::string(kind) + ":0.15");
  }
  return {};
}

Status ReadApe(std::string_view text, std::string_view numbers, Method* method) {
  method->behind_head = true;
  const size_t comma = numbers.find(',');
  const auto usable = [](float x) { return std::isfinite(x) && x > 0; };
  if (comma == std::string_view::npos ||
      !ReadNumber(numbers.substr(0, comma), &method->temperature) ||
      !ReadNumber(numbers.substr(comma + 1), &method->scale) || !usable(method->temperature) ||
      !usable(method->scale)) {
    return WrongNumber(text, "a temperature and a scale, each above 0, as in ape:0.9,0.9");
  }
  return {};
}

}  // namespace

Result<Method> ParseMethod(std::string_view text) {
  for (const Fixed& fixed : kFixed) {
    if (text != fixed.name) continue;
    Method method = fixed.method;
    method.name = text;
    return method;
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return Unknown(text);
  std::string_view kind = text.substr(0, colon);
  const std::string_view numbers = text.substr(colon + 1);
  const bool linked = kind.starts_with("link+");
  if (linked) kind.remove_prefix(5);
  Method method;
  method.name = text;
  method.layout = linked ? Layout::kLinked : Layout::kUnlinked;
  method.adapter = linked;
  if (kind == "ape" && !linked) {
    KVLINK_RETURN_IF_ERROR(ReadApe(text, numbers, &method));
  } else {
    KVLINK_RETURN_IF_ERROR(ReadRecompute(text, kind, numbers, &method));
  }
  return method;
}

std::string NamesOf(std::span<const Method> methods) {
  std::string names;
  for (const Method& method : methods) names += (names.empty() ? "" : ",") + method.name;
  return names;
}

Result<std::vector<Method>> ParseMethods(std::string_view list) {
  std::vector<Method> methods;
  for (size_t begin = 0; begin <= list.size();) {
    size_t end = list.find(',', begin);
    if (list.substr(begin).starts_with("ape:") && end != list.npos) end = list.find(',', end + 1);
    end = std::min(end, list.size());
    KVLINK_ASSIGN_OR_RETURN(Method method, ParseMethod(list.substr(begin, end - begin)));
    for (const Method& other : methods) {
      if (other.name == method.name) {
        return InvalidArgument("method " + Quoted(method.name) + " is named twice");
      }
    }
    methods.push_back(std::move(method));
    begin = end + 1;
  }
  return methods;
}

}  // namespace kvlink::link
