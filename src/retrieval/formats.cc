#include "retrieval/formats.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "retrieval/docx.h"
#include "retrieval/epub.h"
#include "retrieval/html.h"
#include "retrieval/markdown.h"
#include "retrieval/odt.h"
#include "retrieval/pdf.h"
#include "retrieval/plain.h"
#include "retrieval/rows.h"

// Set by cmake/readers.cmake where a library was found: without one its readers are not linked.
#ifdef KVLINK_HAS_CMARK
#define KVLINK_WITH_CMARK(reader) reader
#else
#define KVLINK_WITH_CMARK(reader) nullptr
#endif
#ifdef KVLINK_HAS_GUMBO
#define KVLINK_WITH_GUMBO(reader) reader
#else
#define KVLINK_WITH_GUMBO(reader) nullptr
#endif
#ifdef KVLINK_HAS_POPPLER
#define KVLINK_WITH_POPPLER(reader) reader
#else
#define KVLINK_WITH_POPPLER(reader) nullptr
#endif
#if defined(KVLINK_HAS_ARCHIVE) && defined(KVLINK_HAS_PUGIXML)
#define KVLINK_WITH_PARTS(reader) reader
#else
#define KVLINK_WITH_PARTS(reader) nullptr
#endif
#if defined(KVLINK_HAS_ARCHIVE) && defined(KVLINK_HAS_PUGIXML) && defined(KVLINK_HAS_GUMBO)
#define KVLINK_WITH_BOOKS(reader) reader
#else
#define KVLINK_WITH_BOOKS(reader) nullptr
#endif

namespace kvlink::retrieval {
namespace {

constexpr char kCodeEndings[] =
    " .py .c .cc .cpp .cxx .h .hh .hpp .js .mjs .ts .tsx .jsx .go .rs .java .kt .swift .cs .rb "
    ".php "
    ".pl .lua .r .jl .scala .hs .ml .sh .bash .zsh .fish .ps1 .sql .proto .cmake .css .toml .yaml "
    ".yml .json .xml .ini .cfg .conf .tex .rst .org .adoc .log .diff .patch ";

// The order decides nothing but that of lists.
constexpr std::array<Format, 10> kFormats = {{
    {FileKind::kText, "text", " .txt .text ", "", ReadPlainText, true, 0},
    {FileKind::kMarkdown, "Markdown", " .md .markdown ",
     "cmark-gfm (libcmark-gfm-dev, libcmark-gfm-extensions-dev)", KVLINK_WITH_CMARK(ReadMarkdown),
     true, 5},
    {FileKind::kHtml, "HTML", " .html .htm .xhtml ", "gumbo (libgumbo-dev)",
     KVLINK_WITH_GUMBO(ReadHtml), true, 5},
    {FileKind::kPdf, "PDF", " .pdf ", "poppler (libpoppler-cpp-dev)", KVLINK_WITH_POPPLER(ReadPdf),
     false, 60},
    {FileKind::kDocx, "DOCX", " .docx .docm ",
     "libarchive and pugixml (libarchive-dev, libpugixml-dev)", KVLINK_WITH_PARTS(ReadDocx), false,
     10},
    {FileKind::kOdt, "ODT", " .odt .ott ",
     "libarchive and pugixml (libarchive-dev, libpugixml-dev)", KVLINK_WITH_PARTS(ReadOdt), false,
     10},
    {FileKind::kEpub, "EPUB", " .epub ",
     "libarchive, pugixml and gumbo (libarchive-dev, libpugixml-dev, libgumbo-dev)",
     KVLINK_WITH_BOOKS(ReadEpub), false, 10},
    {FileKind::kRows, "CSV", " .csv .tsv .tab ", "", ReadRows, true, 0},
    {FileKind::kCode, "source code", kCodeEndings, "", ReadSourceCode, true, 0},
    {FileKind::kJsonl, "JSON Lines", " .jsonl ", "", nullptr, true, 0},
}};

const Format& Of(FileKind kind) {
  return *std::find_if(kFormats.begin(), kFormats.end(),
                       [&](const Format& format) { return format.kind == kind; });
}

// By what the first part says, which is to be the type's name; Word's files have theirs among the
// names of parts, which stand at the end.
FileKind KindOfZip(std::string_view bytes) {
  constexpr size_t kFirstPart = 256, kNames = 1 << 16;
  const std::string_view begin = bytes.substr(0, kFirstPart);
  const std::string_view end = bytes.substr(bytes.size() - std::min(bytes.size(), kNames));
  if (begin.find("application/epub+zip") != begin.npos) return FileKind::kEpub;
  if (begin.find("application/vnd.oasis.opendocument.text") != begin.npos) return FileKind::kOdt;
  return end.find("word/document.xml") != end.npos ? FileKind::kDocx : FileKind::kText;
}

// kText: the first bytes say nothing.
FileKind KindOfFirstBytes(std::string_view bytes) {
  if (bytes.starts_with("%PDF-")) return FileKind::kPdf;
  if (bytes.starts_with("PK\3\4")) return KindOfZip(bytes);
  return FileKind::kText;
}

}  // namespace

std::span<const Format> Formats() { return kFormats; }

bool IsReadable(const Format& format) {
  return format.reader != nullptr || format.kind == FileKind::kJsonl;
}

std::string EndingOf(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return ending;
}

const Format* FormatOfPath(const std::string& path) {
  const std::string ending = EndingOf(path);
  if (ending.empty() || ending.find(' ') != std::string::npos) return nullptr;
  const auto* found = std::find_if(kFormats.begin(), kFormats.end(), [&](const Format& format) {
    return format.endings.find(" " + ending + " ") != std::string_view::npos;
  });
  return found == kFormats.end() ? nullptr : found;
}

const Format& FormatOfBytes(const std::string& path, std::string_view bytes) {
  const FileKind kind = KindOfFirstBytes(bytes);
  if (kind != FileKind::kText) return Of(kind);
  if (const Format* format = FormatOfPath(path)) return *format;
  return LooksLikeHtml(bytes) ? Of(FileKind::kHtml) : Of(FileKind::kText);
}

std::string MissingReader(const Format& format) {
  return std::string(format.name) + " needs a build with " + std::string(format.packages);
}

bool LooksLikeHtml(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  std::string begin(text.substr(0, 16));
  for (char& c : begin) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return begin.starts_with("<!doctype html") || begin.starts_with("<html");
}

std::string ReadableFormats() {
  std::string names;
  for (const Format& format : kFormats) {
    if (IsReadable(format)) names += (names.empty() ? "" : ", ") + std::string(format.name);
  }
  return names;
}

}  // namespace kvlink::retrieval
