// ICU's charset detector and converters (text/charset.h).
#include "text/charset.h"

#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/utf8.h"
#include "text/unicode.h"

namespace kvlink::text {
namespace {

using namespace std::string_view_literals;

constexpr size_t kSampleBytes = 1 << 16;
constexpr int32_t kLeastConfidence = 40;  // of ICU's 100, which short texts do not reach

struct Close {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
  void operator()(UCharsetDetector* detector) const { ucsdet_close(detector); }
};

// Whether bytes with NULs among them read as text in an encoding of 16 bits: every character is an
// assigned one that texts have, and there are words (spaces, line ends) or letters of Europe alone.
bool MakesSense(std::string_view bytes, const std::string& charset) {
  bool sense = bytes.size() % 2 == 0;
  bool european = true;
  bool gaps = false;
  DecodeCharset(bytes.substr(0, kSampleBytes), charset, [&](uint32_t c, size_t, size_t) {
    const bool control = c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f';
    sense = sense && !control && c != 0xfffd && u_isdefined(static_cast<UChar32>(c)) &&
            u_charType(static_cast<UChar32>(c)) != U_PRIVATE_USE_CHAR;
    gaps |= c == ' ' || c == '\n';
    european &= c < 0x250;
  });
  return sense && (gaps || european);
}

// How many characters of several bytes are well-formed UTF-8, and how many bytes are not.
struct Utf8Counts {
  size_t several = 0;
  size_t wrong = 0;
  size_t first_wrong = 0;
};
Utf8Counts CountUtf8(std::string_view bytes) {
  Utf8Counts counts;
  for (size_t at = 0; at < bytes.size();) {
    if (static_cast<unsigned char>(bytes[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = NextUtf8(bytes, at);
    if (step.kind == Utf8Step::kWhole) {
      ++counts.several;
    } else {
      if (counts.wrong == 0) counts.first_wrong = at;
      counts.wrong += step.size;
    }
    at += step.size;
  }
  return counts;
}

// Western text: each byte stands for something in windows-1252, and most of those beyond ASCII
// stand beside a letter, no more than two in a row.
bool LooksWestern(std::string_view bytes) {
  const auto high = [&](size_t i) { return static_cast<unsigned char>(bytes[i]) >= 0x80; };
  const auto letter = [&](size_t i) {
    const char small = i < bytes.size() ? static_cast<char>(bytes[i] | 0x20) : '\0';
    return small >= 'a' && small <= 'z';
  };
  size_t runs = 0;
  size_t beside = 0;
  for (size_t at = 0; at < bytes.size();) {
    if (!high(at)) {
      ++at;
      continue;
    }
    const size_t begin = at;
    while (at < bytes.size() && high(at)) {
      if ("\x81\x8d\x8f\x90\x9d"sv.find(bytes[at]) != std::string_view::npos) return false;
      ++at;
    }
    ++runs;
    beside += at - begin <= 2 && (letter(at) || (begin > 0 && letter(begin - 1))) ? 1 : 0;
  }
  return 2 * beside > runs;
}

std::string ByStatistics(std::string_view sample) {
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<UCharsetDetector, Close> detector(ucsdet_open(&error));
  if (U_FAILURE(error)) return {};
  ucsdet_setText(detector.get(), sample.data(), static_cast<int32_t>(sample.size()), &error);
  int32_t found = 0;
  const UCharsetMatch** matches = ucsdet_detectAll(detector.get(), &found, &error);
  if (U_FAILURE(error)) return {};
  for (int32_t i = 0; i < found; ++i) {
    const std::string name = ucsdet_getName(matches[i], &error);
    const int32_t confidence = ucsdet_getConfidence(matches[i], &error);
    if (U_FAILURE(error) || confidence < kLeastConfidence) return {};
    if (name.starts_with("UTF-") || name.starts_with("IBM")) continue;
    return name == "ISO-8859-1" ? "windows-1252" : name;  // which has all of it, and more
  }
  return {};
}

}  // namespace

std::string DetectCharset(std::string_view bytes) {
  if (bytes.starts_with("\xff\xfe\0\0"sv)) return "UTF-32LE";
  if (bytes.starts_with("\0\0\xfe\xff"sv)) return "UTF-32BE";
  if (bytes.starts_with("\xff\xfe"sv)) return "UTF-16LE";
  if (bytes.starts_with("\xfe\xff"sv)) return "UTF-16BE";
  if (bytes.starts_with("\xef\xbb\xbf"sv)) return {};  // says that it is UTF-8
  if (bytes.find('\0') != std::string_view::npos) {
    for (const char* charset : {"UTF-16LE", "UTF-16BE"}) {
      if (MakesSense(bytes, charset)) return charset;
    }
    return {};
  }
  const Utf8Counts counts = CountUtf8(bytes);
  if (counts.wrong <= counts.several) return {};
  const size_t begin =
      counts.first_wrong < kSampleBytes / 2 ? 0 : counts.first_wrong - kSampleBytes / 2;
  std::string charset = ByStatistics(bytes.substr(begin, kSampleBytes));
  if (charset.empty() && LooksWestern(bytes)) charset = "windows-1252";
  return charset;
}

bool DecodeCharset(std::string_view bytes, const std::string& charset, const TakeCharacter& take) {
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, Close> converter(ucnv_open(charset.c_str(), &error));
  if (U_FAILURE(error)) return false;
  const char* at = bytes.data();
  const char* const end = bytes.data() + bytes.size();
  while (at < end) {
    const char* const begin = at;
    error = U_ZERO_ERROR;
    const UChar32 c = ucnv_getNextUChar(converter.get(), &at, end, &error);
    if (error == U_INDEX_OUTOFBOUNDS_ERROR) break;
    if (at == begin) ++at;  // never the same byte twice
    const auto from = static_cast<size_t>(begin - bytes.data());
    const uint32_t character = U_FAILURE(error) ? 0xfffd : static_cast<uint32_t>(c);
    if (from == 0 && character == 0xfeff) continue;
    take(character, from, static_cast<size_t>(at - bytes.data()));
  }
  return true;
}

}  // namespace kvlink::text
