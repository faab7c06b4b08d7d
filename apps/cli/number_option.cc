#include "cli/number_option.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <regex>
#include <string>
#include <string_view>

namespace kvlink::cli {
namespace {

constexpr uint64_t kMostBytes = std::numeric_limits<int64_t>::max();

constexpr unsigned kMostExponent = 20;  // of ten: more than kMostBytes

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
  // (Without digits behind it an E is a unit.)
  if (end - at > 1 && Lower(*at) == 'e' && at[1] >= '0' && at[1] <= '9') {
    unsigned exponent = kMostExponent;  // where it is more than the type holds
    at = std::from_chars(at + 1, end, exponent).ptr;
    for (unsigned i = 0; i < std::min(exponent, kMostExponent); ++i) value *= 10;
  }
  while (at != end && *at == ' ') ++at;
  const int power = PowerOf({at, static_cast<size_t>(end - at)});
  if (power < 0) return wrong + text;
  for (int i = 0; i < power; ++i) value *= 1024;
  if (value > static_cast<long double>(kMostBytes)) return wrong + text;
  text = std::to_string(static_cast<uint64_t>(value));
  return "";
}

// "1.000000" as it would be typed.
std::string Shortened(std::string number) {
  if (number.find('.') == number.npos) return number;
  while (number.ends_with('0')) number.pop_back();
  if (number.ends_with('.')) number.pop_back();
  return number;
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

std::string InPlainWords(const std::string& complaint) {
  std::smatch parts;
  static const std::regex range("(.*: )?Value ([^]*) not in range (\\S+) to (\\S+)");
  if (std::regex_match(complaint, parts, range)) {
    const std::string least = parts[3], most = parts[4];
    const char* kind = least.find('.') == least.npos ? "a whole number" : "a number";
    return parts[1].str() + kind + " from " + Shortened(least) + " to " + Shortened(most) +
           " is expected, found " + parts[2].str();
  }
  // Of flags: all numbers are checked before they are converted.
  static const std::regex flag("Could not convert: (\\S+) = ([^]*)");
  if (std::regex_match(complaint, parts, flag)) {
    return parts[1].str() + ": true or false is expected, found " + parts[2].str();
  }
  return complaint;
}

}  // namespace kvlink::cli
