// What the readers' fuzzers run, and the mutation test with it: a reader, then all that is done
// with what it read. In this process, so that a fuzzer sees what breaks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "retrieval/formats.h"
#include "retrieval/splitter.h"

namespace kvlink::fuzz {

inline void CheckFileText(const retrieval::FileText& file, int64_t source_bytes) {
  KVLINK_CHECK(WellFormedEnd(file.text, 0) == file.text.size());
  const Result<retrieval::FileText> again =
      retrieval::ParseFileText(retrieval::SerializeFileText(file));
  KVLINK_CHECK(again.ok());
  KVLINK_CHECK(again->text == file.text);
  KVLINK_CHECK(retrieval::SerializeFileText(*again) == retrieval::SerializeFileText(file));
  const auto count = [](std::string_view text) {
    return static_cast<int64_t>(text.size() / 4 + 1);
  };
  size_t end = 0;
  for (const retrieval::TextPart& part :
       retrieval::SplitText(file.text, file.structure, 40, count)) {
    const retrieval::TextRange range{static_cast<size_t>(part.begin),
                                     static_cast<size_t>(part.end)};
    KVLINK_CHECK(range.begin >= end && range.begin < range.end && range.end <= file.text.size());
    end = range.end;
    const retrieval::Place place = file.map.PlaceOf(range);
    KVLINK_CHECK(place.begin >= 0 && place.begin <= place.end);
    if (file.map.unit == PlaceUnit::kByte) KVLINK_CHECK(place.end <= source_bytes);
    // Only marks that the reader added stand nowhere.
    if (place.begin == place.end) {
      KVLINK_CHECK(part.text.find_first_not_of("|- \n") == std::string::npos);
    }
  }
}

// Whether the bytes were accepted. Aborts if a promise of the reader is broken.
inline bool ReadAs(retrieval::FileKind kind, std::string_view bytes) {
  for (const retrieval::Format& format : retrieval::Formats()) {
    if (format.kind != kind || format.reader == nullptr) continue;
    retrieval::RepairedText text;
    if (format.is_text) {
      text = retrieval::ReadText(bytes);
      (void)retrieval::LeaveOutDataUris(&text);
    } else {
      text.text = bytes;
    }
    const Result<retrieval::FileText> file = format.reader(std::move(text));
    if (file.ok()) {
      CheckFileText(*file, static_cast<int64_t>(bytes.size()));
      return true;
    }
    KVLINK_CHECK(!file.status().message().empty());
    for (const char c : file.status().message()) {
      KVLINK_CHECK(static_cast<unsigned char>(c) >= 0x20);
    }
  }
  return false;
}

}  // namespace kvlink::fuzz
