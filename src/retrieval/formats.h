// Which reader reads what: by a file's ending, and by its first bytes where they say more. One
// table (formats.cc); a format whose library this build lacks is in it, without a reader.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "retrieval/reader.h"

namespace kvlink::retrieval {

enum class FileKind : uint8_t {
  kText,
  kMarkdown,
  kHtml,
  kRows,
  kCode,
  kPdf,
  kDocx,
  kOdt,
  kEpub,
  kJsonl
};

struct Format {
  FileKind kind;
  std::string_view name;      // "PDF"
  std::string_view endings;   // " .pdf ": in small letters, a space around each
  std::string_view packages;  // what a build needs for it, in words; empty: nothing
  Reader reader;              // nullptr: not built in; .jsonl has a reader of its own, by lines
  bool is_text;               // its bytes are decoded before it is read
  // Seconds that a file may take, and one more a MiB, in a process of its own, for its library may
  // break; 0: read in this process.
  int apart_s;
};

std::span<const Format> Formats();
// Whether files of it are read in this build.
bool IsReadable(const Format& format);

// A path's ending in small letters, with its point; empty: none.
std::string EndingOf(const std::string& path);
// By the ending alone; nullptr: not known.
const Format* FormatOfPath(const std::string& path);
// The names of those that this build reads: "text, Markdown, HTML".
std::string ReadableFormats();
// By the first bytes, where a name says nothing (standard input) or another thing (a PDF named
// .txt); else by the ending; else text.
const Format& FormatOfBytes(const std::string& path, std::string_view bytes);

// Whether a text begins as an HTML page does.
bool LooksLikeHtml(std::string_view text);

// "PDF needs a build with poppler (libpoppler-cpp-dev)".
std::string MissingReader(const Format& format);

}  // namespace kvlink::retrieval
