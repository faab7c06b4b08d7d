// The C library's tables for UTF-8, whatever the user's locale is.
#include "cli/printable.h"

#include <wchar.h>
#include <algorithm>
#include <clocale>
#include <cstdio>

#include "base/utf8.h"

namespace kvlink::cli {
namespace {

// C.UTF-8 for as long as it lives. One thread's own.
class Utf8Locale {
 public:
  Utf8Locale() {
    static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (utf8 != nullptr) before_ = uselocale(utf8);
  }
  ~Utf8Locale() {
    if (before_ != nullptr) uselocale(before_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t before_ = nullptr;
};

// REQUIRES: a well-formed character of `size` bytes at `at`, and a Utf8Locale.
char32_t CharacterAt(std::string_view text, size_t at, uint32_t size) {
  wchar_t c = 0;
  std::mbstate_t state{};
  const size_t read = std::mbrtowc(&c, text.data() + at, size, &state);
  return read == size ? static_cast<char32_t>(c) : U'\uFFFD';
}

int WidthOf(char32_t c) { return std::max(0, wcwidth(static_cast<wchar_t>(c))); }

bool Within(char32_t c, char32_t first, char32_t last) { return first <= c && c <= last; }

bool IsControl(char32_t c) { return c < 0x20 || Within(c, 0x7f, 0x9f); }

// Without width, and without a meaning but for breaking lines and hiding text.
bool IsInvisible(char32_t c) {
  return c == 0x200b || Within(c, 0x2060, 0x2064) || c == 0xfeff || Within(c, 0xfff9, 0xfffb) ||
         Within(c, 0xe0000, 0xe007f);
}

// Printable ASCII takes a column each and needs no cleaning; the locale need not be asked.
size_t PlainBytes(std::string_view bytes) {
  const auto plain = [](char c) { return c >= ' ' && c <= '~'; };
  return static_cast<size_t>(std::find_if_not(bytes.begin(), bytes.end(), plain) - bytes.begin());
}

std::string Cleaned(std::string_view bytes, bool is_line) {
  const Utf8Locale locale;
  std::string out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    if (const size_t plain = PlainBytes(bytes.substr(at)); plain > 0) {
      out += bytes.substr(at, plain);
      at += plain;
      continue;
    }
    const Utf8Step step = NextUtf8(bytes, at);
    const char first = bytes[at];
    const char32_t c = step.kind == Utf8Step::kWhole ? CharacterAt(bytes, at, step.size) : 0;
    if (first == '\n' || first == '\t') {
      out += is_line ? ' ' : first;
    } else if (step.kind == Utf8Step::kWhole && IsControl(c)) {
      out += ' ';
    } else if (Steers(c) || (is_line && IsInvisible(c))) {
      out += kReplacementCharacter;
    } else {
      out += bytes.substr(at, step.size);
    }
    at += step.size;
  }
  return out;
}

}  // namespace

bool Steers(char32_t c) {
  if (c == '\n' || c == '\t') return false;
  return IsControl(c) || Within(c, 0x2028, 0x202e) || Within(c, 0x2066, 0x206f);
}

std::string CleanLine(std::string_view bytes) { return Cleaned(bytes, /*is_line=*/true); }

std::string CleanText(std::string_view bytes) { return Cleaned(bytes, /*is_line=*/false); }

std::string CleanJson(std::string_view json) {
  const Utf8Locale locale;
  std::string out;
  out.reserve(json.size());
  for (size_t at = 0; at < json.size();) {
    const Utf8Step step = NextUtf8(json, at);
    const char32_t c =
        step.size == 1 ? static_cast<uint8_t>(json[at]) : CharacterAt(json, at, step.size);
    if (Steers(c)) {  // below U+10000, and JSON has escaped those below U+0020
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += json.substr(at, step.size);
    }
    at += step.size;
  }
  return out;
}

int DisplayWidth(std::string_view utf8) {
  if (PlainBytes(utf8) == utf8.size()) return static_cast<int>(utf8.size());
  const Utf8Locale locale;
  int width = 0;
  for (size_t at = 0; at < utf8.size();) {
    const Utf8Step step = NextUtf8(utf8, at);
    width += step.kind == Utf8Step::kWhole ? WidthOf(CharacterAt(utf8, at, step.size)) : 1;
    at += step.size;
  }
  return width;
}

std::string Shorten(std::string_view utf8, int columns) {
  if (DisplayWidth(utf8) <= columns) return std::string(utf8);
  if (columns <= 0) return "";
  const Utf8Locale locale;
  int width = 0;
  size_t at = 0;
  while (at < utf8.size()) {
    const Utf8Step step = NextUtf8(utf8, at);
    width += step.kind == Utf8Step::kWhole ? WidthOf(CharacterAt(utf8, at, step.size)) : 1;
    if (width > columns - 1) break;  // the ellipsis takes one
    at += step.size;
  }
  return std::string(utf8.substr(0, at)) + "\u2026";
}

}  // namespace kvlink::cli
