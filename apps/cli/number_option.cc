#include "cli/number_option.h"

#include <charconv>
#include <limits>
#include <string>
#include <string_view>

namespace kvlink::cli {
namespace {

constexpr uint64_t kMostBytes = std::numeric_limits<int64_t>::max();

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The power of 1024 that a unit means; -1: no unit.
int PowerOf(std::string_view unit) {
  std::string lower;
  for (const char c : unit) lower += Lower(c);
  if (lower.empty() || lower == "b") return 0;
  const size_t power = std::string_view("kmgtpe").find(lower[0]);
  if (power == std::string_view::npos) return -1;
  const std::string rest = lower.substr(1);
  return rest.empty() || rest == "b" || rest == "ib" ? static_cast<int>(power) + 1 : -1;
}

// Empty: `text` is rewritten; else what is wrong.
std::string ReadSize(std::string& text) {
  const std::string wrong =
      "expected a size of 0 or more and below 8 EiB, such as 1500, 20GB or 1.5GiB, found ";
  uint64_t whole = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto digits = std::from_chars(at, end, whole);
  if (digits.ec != std::errc()) return wrong + text;
  at = digits.ptr;
  long double value = static_cast<long double>(whole);  // 64 bits of mantissa: exact
  if (at != end && *at == '.') {
    long double unit = 1;
    const char* const first = ++at;
    for (; at != end && *at >= '0' && *at <= '9'; ++at) value += (unit /= 10) * (*at - '0');
    if (at == first) return wrong + text;
  }
  while (at != end && *at == ' ') ++at;
  const int power = PowerOf({at, static_cast<size_t>(end - at)});
  if (power < 0) return wrong + text;
  for (int i = 0; i < power; ++i) value *= 1024;
  if (value > static_cast<long double>(kMostBytes)) return wrong + text;
  text = std::to_string(static_cast<uint64_t>(value));
  return "";
}

}  // namespace

CLI::Validator SizeOption() { return CLI::Validator(ReadSize, "SIZE"); }

CLI::Validator WholeNumber(uint64_t least, uint64_t most) {
  return CLI::Validator(
      [least, most](std::string& text) -> std::string {
        uint64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto read = std::from_chars(text.data(), end, value);
        if (read.ec == std::errc() && read.ptr == end && value >= least && value <= most) return "";
        return "expected a whole number from " + std::to_string(least) + " to " +
               std::to_string(most) + ", found " + text;
      },
      "N");
}

}  // namespace kvlink::cli
