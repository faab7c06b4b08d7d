// ICU behind plain functions (text/unicode.h).
#include "text/unicode.h"

#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>
#include <unicode/uversion.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <new>

namespace kvlink::text {
namespace {

constexpr uint32_t kTatweel = 0x640;
constexpr uint32_t kFirstKanaMark = 0x3099;  // voiced sounds: other syllables, not accents
constexpr uint32_t kLastKanaMark = 0x309a;

UChar32 Code(uint32_t c) { return static_cast<UChar32>(c); }
uint32_t CategoryMask(uint32_t c) { return c > 0x10ffff ? 0 : U_GET_GC_MASK(Code(c)); }

icu::UnicodeString FromUtf8(std::string_view text) {
  constexpr size_t kMost = std::numeric_limits<int32_t>::max() / 4;
  if (text.size() > kMost) throw std::bad_alloc();
  return icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
}

// ICU's data is part of its library and any text is taken, so what fails is memory.
void ThrowIfFailed(UErrorCode error) {
  if (U_FAILURE(error)) throw std::bad_alloc();
}

using Instance = const icu::Normalizer2* (*)(UErrorCode&);
const icu::Normalizer2& Normalizer(Instance instance) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = instance(error);
  ThrowIfFailed(error);
  return *normalizer;
}

std::unique_ptr<icu::BreakIterator> NewIterator(BreakKind kind) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Locale& root = icu::Locale::getRoot();
  std::unique_ptr<icu::BreakIterator> iterator;
  switch (kind) {
    case BreakKind::kCharacter:
      iterator.reset(icu::BreakIterator::createCharacterInstance(root, error));
      break;
    case BreakKind::kWord:
      iterator.reset(icu::BreakIterator::createWordInstance(root, error));
      break;
    case BreakKind::kSentence:
      iterator.reset(icu::BreakIterator::createSentenceInstance(root, error));
      break;
  }
  ThrowIfFailed(error);
  if (iterator == nullptr) throw std::bad_alloc();
  return iterator;
}

bool IsAccent(uint32_t c) {
  if (c < 0x300) return false;
  if (c == kTatweel) return true;
  if (c >= kFirstKanaMark && c <= kLastKanaMark) return false;
  if ((CategoryMask(c) & (U_GC_MN_MASK | U_GC_ME_MASK)) == 0) return false;
  UErrorCode error = U_ZERO_ERROR;
  switch (uscript_getScript(Code(c), &error)) {
    case USCRIPT_INHERITED:
    case USCRIPT_COMMON:
    case USCRIPT_LATIN:
    case USCRIPT_GREEK:
    case USCRIPT_CYRILLIC:
    case USCRIPT_ARABIC:
    case USCRIPT_HEBREW:
    case USCRIPT_SYRIAC:
      return true;
    default:
      return false;
  }
}

}  // namespace

uint32_t NextCharacter(std::string_view text, size_t* at) {
  const auto first = static_cast<uint8_t>(text[*at]);
  if (first < 0x80) {
    ++*at;
    return first;
  }
  UChar32 c = 0;
  U8_NEXT(text.data(), *at, text.size(), c);
  return c < 0 ? kNoCharacter : static_cast<uint32_t>(c);
}

void AppendCharacter(uint32_t c, std::string* out) {
  if (c > 0x10ffff || U_IS_SURROGATE(Code(c))) return;
  std::array<uint8_t, U8_MAX_LENGTH> bytes{};
  size_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, c);
  out->append(reinterpret_cast<const char*>(bytes.data()), size);
}

bool IsLetterOrNumber(uint32_t c) { return (CategoryMask(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0; }
bool IsMark(uint32_t c) { return (CategoryMask(c) & U_GC_M_MASK) != 0; }
bool IsLowerCase(uint32_t c) { return c <= 0x10ffff && u_isULowercase(Code(c)); }
bool IsUpperCase(uint32_t c) { return c <= 0x10ffff && u_isUUppercase(Code(c)); }
bool IsDigit(uint32_t c) { return (CategoryMask(c) & U_GC_ND_MASK) != 0; }
bool IsWhiteSpace(uint32_t c) { return c <= 0x10ffff && u_isUWhiteSpace(Code(c)); }
bool IsIgnorable(uint32_t c) {
  return c <= 0x10ffff && u_hasBinaryProperty(Code(c), UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}
bool IsSentenceEnd(uint32_t c) {
  return c <= 0x10ffff && u_hasBinaryProperty(Code(c), UCHAR_S_TERM);
}
bool IsClosing(uint32_t c) { return (CategoryMask(c) & (U_GC_PE_MASK | U_GC_PF_MASK)) != 0; }
bool IsPunctuation(uint32_t c) { return (CategoryMask(c) & U_GC_P_MASK) != 0; }
uint32_t SimpleLowerCase(uint32_t c) {
  return c > 0x10ffff ? c : static_cast<uint32_t>(u_tolower(Code(c)));
}

Script ScriptOf(uint32_t c) {
  if (c > 0x10ffff) return Script::kOther;
  UErrorCode error = U_ZERO_ERROR;
  switch (uscript_getScript(Code(c), &error)) {
    case USCRIPT_LATIN:
      return Script::kLatin;
    case USCRIPT_GREEK:
      return Script::kGreek;
    case USCRIPT_CYRILLIC:
      return Script::kCyrillic;
    case USCRIPT_ARMENIAN:
      return Script::kArmenian;
    case USCRIPT_HEBREW:
      return Script::kHebrew;
    case USCRIPT_ARABIC:
      return Script::kArabic;
    case USCRIPT_DEVANAGARI:
      return Script::kDevanagari;
    case USCRIPT_TAMIL:
      return Script::kTamil;
    case USCRIPT_HAN:
      return Script::kHan;
    case USCRIPT_HIRAGANA:
      return Script::kHiragana;
    case USCRIPT_KATAKANA:
      return Script::kKatakana;
    case USCRIPT_HANGUL:
      return Script::kHangul;
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR:
      return Script::kSoutheastAsian;
    case USCRIPT_COMMON:
    case USCRIPT_INHERITED:
      // The long-vowel mark of both kana.
      return c == 0x30fc ? Script::kKatakana : Script::kCommon;
    default:
      return Script::kOther;
  }
}

std::string FoldCase(std::string_view text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::UnicodeString folded =
      Normalizer(icu::Normalizer2::getNFKCCasefoldInstance).normalize(FromUtf8(text), error);
  ThrowIfFailed(error);
  std::string out;
  folded.toUTF8String(out);
  return out;
}

std::string WithoutAccents(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; }))
    return std::string(text);
  UErrorCode error = U_ZERO_ERROR;
  const icu::UnicodeString apart =
      Normalizer(icu::Normalizer2::getNFDInstance).normalize(FromUtf8(text), error);
  ThrowIfFailed(error);
  icu::UnicodeString kept;
  for (int32_t at = 0; at < apart.length();) {
    const UChar32 c = apart.char32At(at);
    if (!IsAccent(static_cast<uint32_t>(c))) kept.append(c);
    at += U16_LENGTH(c);
  }
  const icu::UnicodeString together =
      Normalizer(icu::Normalizer2::getNFCInstance).normalize(kept, error);
  ThrowIfFailed(error);
  std::string out;
  together.toUTF8String(out);
  return out;
}

std::vector<size_t> Breaks(std::string_view text, BreakKind kind) {
  std::vector<size_t> breaks;
  if (text.empty()) return breaks;
  // Making an iterator loads its rules; one a thread serves all texts.
  thread_local std::array<std::unique_ptr<icu::BreakIterator>, 3> iterators;
  std::unique_ptr<icu::BreakIterator>& iterator = iterators[static_cast<size_t>(kind)];
  if (iterator == nullptr) iterator = NewIterator(kind);
  // ICU counts in int32.
  constexpr size_t kMost = std::numeric_limits<int32_t>::max() / 2;
  const std::string_view seen = text.substr(0, kMost);
  UErrorCode error = U_ZERO_ERROR;
  UText utext = UTEXT_INITIALIZER;
  utext_openUTF8(&utext, seen.data(), static_cast<int64_t>(seen.size()), &error);
  iterator->setText(&utext, error);
  // The iterator keeps a text of its own over the same bytes.
  utext_close(&utext);
  ThrowIfFailed(error);
  iterator->first();
  for (int32_t at = iterator->next(); at != icu::BreakIterator::DONE; at = iterator->next()) {
    breaks.push_back(static_cast<size_t>(at));
  }
  if (breaks.empty() || breaks.back() != text.size()) breaks.push_back(text.size());
  return breaks;
}

std::string UnicodeLibraryVersion() {
  UVersionInfo version;
  u_getVersion(version);
  std::array<char, U_MAX_VERSION_STRING_LENGTH> text{};
  u_versionToString(version, text.data());
  return text.data();
}

}  // namespace kvlink::text
