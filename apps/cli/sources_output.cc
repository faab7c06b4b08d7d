#include "cli/sources_output.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "cli/printable.h"
#include "retrieval/formats.h"
#include "retrieval/repaired_text.h"

namespace kvlink::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostBytes = 64 << 20;  // of a file that lines are counted in

// As it would be typed where the user stands: below the working folder, below home, or whole.
std::string ShortPath(const std::string& path) {
  if (!path.starts_with('/')) return path;
  const auto below = [&](std::string folder) {
    if (!folder.ends_with('/')) folder += '/';
    return folder.size() > 1 && path.starts_with(folder) ? path.substr(folder.size())
                                                         : std::string();
  };
  std::error_code error;
  const std::string here = fs::current_path(error).string();
  if (!error) {
    if (std::string rest = below(here); !rest.empty()) return rest;
  }
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home == '/') {
    if (const std::string rest = below(home); !rest.empty()) return "~/" + rest;
  }
  return path;
}

// Whether the bytes at a document's place are still its own: they hold the last line of its text.
// (A part of a table has a head that stands elsewhere; a line of JSON escapes its text, and HTML
// has its marks between the words.)
bool IsStillThere(const IndexedDocument& document, std::string_view place) {
  const retrieval::Format* format = retrieval::FormatOfPath(document.source);
  if (format != nullptr && format->kind == retrieval::FileKind::kHtml) return true;
  if (document.source.ends_with(".jsonl")) return place.starts_with('{') && place.ends_with('}');
  std::string_view last = document.text;
  last.remove_prefix(std::min(last.find_last_of('\n') + 1, last.size()));
  return !last.empty() && retrieval::ReadText(place).text.find(last) != std::string_view::npos;
}

}  // namespace

std::optional<Lines> LinesOf(const IndexedDocument& document) {
  const SourceState state = document.source_state;
  if (document.unit != PlaceUnit::kByte) return std::nullopt;
  if (!document.source.starts_with('/') || document.begin < 0 || document.end <= document.begin ||
      state == SourceState::kChanged || state == SourceState::kGone) {
    return std::nullopt;
  }
  const Result<std::string> read = ReadWholeFile(FileSystem::Posix(), document.source, kMostBytes);
  if (!read.ok() || document.end > static_cast<int64_t>(read->size())) return std::nullopt;
  const std::string_view text = *read;
  const auto begin = static_cast<size_t>(document.begin), end = static_cast<size_t>(document.end);
  std::string_view place = text.substr(begin, end - begin);
  if (!IsStillThere(document, place)) return std::nullopt;
  while (place.ends_with('\n') || place.ends_with('\r')) place.remove_suffix(1);
  Lines lines;
  lines.first = 1 + std::count(text.begin(), text.begin() + document.begin, '\n');
  lines.last = lines.first + std::count(place.begin(), place.end(), '\n');
  return lines;
}

std::string HeadingOf(const IndexedDocument& document) {
  const bool is_name = document.title == fs::path(document.source).stem().string();
  return is_name ? std::string() : document.title;
}

std::string PlaceOf(const IndexedDocument& document, bool whole) {
  std::string place = document.source == "-" ? "standard input"
                      : whole                ? document.source
                                             : ShortPath(document.source);
  if (const std::optional<Lines> lines = LinesOf(document)) {
    place += lines->first == lines->last ? ", line " : ", lines ";
    place += std::to_string(lines->first);
    if (lines->first != lines->last) place += "-" + std::to_string(lines->last);
  }
  const std::string described =
      retrieval::DescribePlace(document.unit, {document.begin, document.end});
  if (!described.empty()) place += ", " + described;
  if (const std::string heading = HeadingOf(document); !heading.empty()) place += ": " + heading;
  return CleanLine(place);
}

std::string SentenceOf(const Evidence& evidence, const std::vector<IndexedDocument>& documents) {
  return documents[evidence.passage].text.substr(evidence.begin, evidence.end - evidence.begin);
}

std::string DescribeSources(const Answer& answer, const std::vector<IndexedDocument>& documents,
                            const std::optional<Evidence>& evidence, bool whole) {
  std::string out;
  for (size_t i = 0; i < std::min(documents.size(), answer.document_uses.size()); ++i) {
    if (answer.document_uses[i].status == DocumentStatus::kDropped) continue;
    out += "  " + std::to_string(i + 1) + ". " + PlaceOf(documents[i], whole) + "\n";
    if (evidence && evidence->passage == i) {
      out += "     \"" + CleanLine(SentenceOf(*evidence, documents)) + "\"\n";
    }
  }
  return out.empty() ? out : "Sources:\n" + out;
}

}  // namespace kvlink::cli
