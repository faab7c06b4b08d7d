#include "retrieval/pdf.h"

#include <poppler-document.h>
#include <poppler-global.h>
#include <poppler-page.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "retrieval/front_matter.h"
#include "text/unicode.h"

namespace kvlink::retrieval {
namespace {

constexpr int kMostPages = 100'000;

bool IsHigh(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool IsLow(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

// UTF-16 without a mark; what is none of it becomes U+FFFD, and NUL a space.
std::string ToUtf8(const poppler::ustring& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t c = text[i];
    if (IsHigh(c) && i + 1 < text.size() && IsLow(text[i + 1])) {
      c = 0x10000 + ((c - 0xd800) << 10) + (text[++i] - 0xdc00u);
    }
    if (IsHigh(c) || IsLow(c)) c = 0xfffd;
    if (c == '\f' || c == 0) c = ' ';
    if (c != 0xfeff) text::AppendCharacter(c, &out);
  }
  return out;
}

std::string TitleOf(const poppler::document& document) {
  std::string title = OneSpaced(ToUtf8(document.get_title()));
  // What a program put there, as "Microsoft Word - bill.doc", is no title.
  const bool made_up = title.starts_with("Microsoft ") || title == "untitled";
  return made_up || title.size() > kLongestHeading ? std::string() : title;
}

Result<FileText> ReadPages(std::string_view bytes) {
  poppler::set_debug_error_function([](const std::string&, void*) {}, nullptr);
  const std::unique_ptr<poppler::document> document(
      poppler::document::load_from_raw_data(bytes.data(), static_cast<int>(bytes.size())));
  if (document == nullptr) return InvalidArgument("is a damaged PDF, or none");
  if (document->is_locked()) {
    return InvalidArgument("is an encrypted PDF that asks for a password; save it without one");
  }
  const int pages = document->pages();
  if (pages > kMostPages) {
    return InvalidArgument("is a PDF of more than " + std::to_string(kMostPages) + " pages");
  }
  TextBuilder builder(PlaceUnit::kPage, kMostTextBytes);
  int without_text = 0;
  for (int i = 0; i < pages && !builder.full(); ++i) {
    const std::unique_ptr<poppler::page> page(document->create_page(i));
    const std::string text =
        page == nullptr ? std::string()
                        : WithJoinedHyphens(ToUtf8(page->text(
                              poppler::rectf(), poppler::page::non_raw_non_physical_layout)));
    const TextRange trimmed = Trimmed(text, {0, text.size()});
    if (trimmed.empty()) {
      ++without_text;
      continue;
    }
    builder.ParagraphBreak();
    builder.AddVerbatim(std::string_view(text).substr(trimmed.begin, trimmed.size()),
                        {i + 1, i + 2});
  }
  builder.SetTitle(TitleOf(*document));
  KVLINK_ASSIGN_OR_RETURN(FileText file, FinishReading(std::move(builder)));
  if (without_text > 0) {
    file.notes.push_back("has " + std::to_string(without_text) +
                         (without_text == 1 ? " page" : " pages") +
                         " without text (pictures of text are not read)");
  }
  return file;
}

}  // namespace

Result<FileText> ReadPdf(RepairedText bytes) {
  try {
    return ReadPages(bytes.text);
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("there is not enough memory to read it");
  } catch (const std::exception& e) {
    return InvalidArgument(std::string("is a damaged PDF: ") + e.what());
  }
}

std::string WithJoinedHyphens(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  uint32_t before = 0;  // the character before the one at hand
  for (size_t at = 0; at < text.size();) {
    size_t next = at;
    const uint32_t c = text::NextCharacter(text, &next);
    const bool hyphen = c == '-' || c == 0xad || c == 0x2010;
    if (hyphen && next < text.size() && text[next] == '\n' && text::IsLetterOrNumber(before) &&
        !text::IsDigit(before)) {
      size_t after = next + 1;
      if (after < text.size() && text::IsLowerCase(text::NextCharacter(text, &after))) {
        at = next + 1;
        continue;
      }
    }
    out += text.substr(at, next - at);
    before = c;
    at = next;
  }
  return out;
}

}  // namespace kvlink::retrieval
