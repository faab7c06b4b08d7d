#include "text/normal_form.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>

#include <algorithm>
#include <limits>
#include <new>

namespace kvlink::text {

bool ToNfc(std::string_view text, std::string* out) {
  // Most text is ASCII, which is never changed.
  if (std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; })) return false;
  if (text.size() > std::numeric_limits<int32_t>::max()) throw std::bad_alloc();  // ICU's count
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* const nfc = icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status)) throw std::bad_alloc();  // its data are part of the library
  const icu::StringPiece piece(text.data(), static_cast<int32_t>(text.size()));
  const bool is_normal = nfc->isNormalizedUTF8(piece, status) != 0;
  if (U_SUCCESS(status) && is_normal) return false;
  out->clear();
  icu::StringByteSink<std::string> sink(out);
  nfc->normalizeUTF8(0, piece, sink, nullptr, status);
  if (U_FAILURE(status)) throw std::bad_alloc();
  return true;
}

}  // namespace kvlink::text
