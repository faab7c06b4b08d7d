// Bytes as well-formed UTF-8 without NUL, and the way back from its offsets to the bytes'. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvlink::retrieval {

struct RepairedText {
  std::string text;
  int64_t replaced_bytes = 0;  // that were not UTF-8, each run of them now U+FFFD
  std::string charset;         // that the bytes were read as; empty: UTF-8

  // The offset in the source of an offset in `text`; one inside a U+FFFD gives the run's begin.
  int64_t SourceOffset(int64_t offset) const;

  // Where a run of bytes became others: its offset in `text`, and that of the byte after it on both
  // sides. Sorted. In another encoding a patch is at most a word, so that words begin and end
  // right.
  struct Patch {
    int64_t begin = 0;
    int64_t source_begin = 0;
    int64_t end = 0;
    int64_t source_end = 0;
  };
  std::vector<Patch> patches;
};

// A byte order mark at the front is left out (offsets still count it).
RepairedText RepairUtf8(std::string_view bytes);
// The same for bytes in any encoding that can be told (text/charset.h). NUL may remain where the
// bytes are no text.
RepairedText ReadText(std::string_view bytes);

// The same where the file names its encoding: that one, unless the bytes have a mark of another,
// are UTF-8 beyond ASCII, or the name means nothing.
RepairedText ReadTextAs(std::string_view bytes, const std::string& charset);

// Leaves out data: URIs of at least a hundred characters of base64, as pictures in Markdown and
// HTML are; what stands around them stays. Returns how many there were.
int64_t LeaveOutDataUris(RepairedText* text);

}  // namespace kvlink::retrieval
