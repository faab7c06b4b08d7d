// Sections by headings, and a text as bytes (retrieval/text_structure.h).
#include "retrieval/text_structure.h"

#include <algorithm>
#include <span>
#include <type_traits>
#include <utility>

#include "base/bytes.h"

namespace kvlink::retrieval {
namespace {

class SectionBuilder {
 public:
  SectionBuilder(std::string_view text, const TextStructure& structure)
      : text_(text), title_(structure.title), body_begin_(structure.body_begin) {}

  void Open(const Heading& heading) {
    CloseBody(heading.range.begin, heading.level);
    while (!open_.empty() && open_.back()->level >= heading.level) open_.pop_back();
    open_.push_back(&heading);
    body_begin_ = heading.range.end;
  }

  std::vector<Section> Finish() && {
    CloseBody(text_.size(), 0);
    return std::move(sections_);
  }

 private:
  std::string Title(size_t depth) const {
    std::string title = title_;
    for (size_t i = 0; i < depth; ++i) {
      if (i == 0 && open_[i]->title == title_) continue;  // said twice in the text
      title += (title.empty() ? "" : " > ") + open_[i]->title;
    }
    return title;
  }

  // Ends the running body at `end`, where a heading of next_level begins (0: the text's end).
  void CloseBody(size_t end, int next_level) {
    const TextRange body = Trimmed(text_, {body_begin_, std::max(body_begin_, end)});
    if (!body.empty()) {
      sections_.push_back({Title(open_.size()), body});
    } else if (!open_.empty() && (next_level == 0 || next_level <= open_.back()->level)) {
      // Nothing stands below this heading, so no title will name it.
      sections_.push_back({Title(open_.size() - 1), Trimmed(text_, open_.back()->range)});
    }
  }

  std::string_view text_;
  std::string title_;
  std::vector<const Heading*> open_;
  std::vector<Section> sections_;
  size_t body_begin_;
};

void AppendText(std::string* out, std::string_view text) {
  AppendValue<uint64_t>(out, text.size());
  out->append(text);
}

template <class T>
void AppendList(std::string* out, const std::vector<T>& values) {
  static_assert(std::is_trivially_copyable_v<T>);
  AppendValue<uint64_t>(out, values.size());
  out->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

bool ReadString(ByteReader* in, std::string* text) {
  uint64_t size = 0;
  std::span<const std::byte> bytes;
  if (!in->Read(&size) || !in->ReadSpan(size, &bytes)) return false;
  text->assign(AsText(bytes));
  return true;
}

template <class T>
bool ReadList(ByteReader* in, std::vector<T>* values) {
  uint64_t count = 0;
  std::span<const std::byte> bytes;
  if (!in->Read(&count) || count > in->remaining() / sizeof(T)) return false;
  if (!in->ReadSpan(count * sizeof(T), &bytes)) return false;
  values->resize(count);
  if (count > 0) std::memcpy(values->data(), bytes.data(), bytes.size());
  return true;
}

bool IsWithin(TextRange range, size_t size) {
  return range.begin <= range.end && range.end <= size;
}

// Whether every offset is one of the text.
bool IsSound(const FileText& file) {
  const size_t size = file.text.size();
  const TextStructure& s = file.structure;
  return s.body_begin <= size &&
         std::all_of(s.headings.begin(), s.headings.end(),
                     [&](const Heading& h) { return IsWithin(h.range, size); }) &&
         std::all_of(s.tables.begin(), s.tables.end(),
                     [&](const TableHeader& t) {
                       return IsWithin(t.header, size) && t.rows_end <= size;
                     }) &&
         std::all_of(s.blocks.begin(), s.blocks.end(),
                     [&](const TextRange& r) { return IsWithin(r, size); }) &&
         std::all_of(file.map.runs.begin(), file.map.runs.end(), [&](const SourceMap::Run& run) {
           return IsWithin(run.text, size) && !run.text.empty();
         });
}

}  // namespace

std::vector<Section> SectionsOf(std::string_view text, const TextStructure& structure) {
  if (structure.body_begin != 0 && Trimmed(text, {structure.body_begin, text.size()}).empty()) {
    const TextRange all = Trimmed(text, {0, text.size()});
    return all.empty() ? std::vector<Section>() : std::vector<Section>{{structure.title, all}};
  }
  SectionBuilder builder(text, structure);
  for (const Heading& heading : structure.headings) builder.Open(heading);
  return std::move(builder).Finish();
}

std::string SerializeFileText(const FileText& file) {
  const TextStructure& structure = file.structure;
  std::string out;
  AppendText(&out, file.text);
  AppendText(&out, structure.title);
  AppendValue<uint64_t>(&out, structure.body_begin);
  AppendValue<uint8_t>(&out, structure.by_lines ? 1 : 0);
  AppendValue<uint64_t>(&out, structure.headings.size());
  for (const Heading& heading : structure.headings) {
    AppendValue(&out, heading.level);
    AppendText(&out, heading.title);
    AppendValue(&out, heading.range);
  }
  AppendList(&out, structure.tables);
  AppendList(&out, structure.blocks);
  AppendValue(&out, file.map.unit);
  AppendList(&out, file.map.runs);
  AppendValue<uint64_t>(&out, file.notes.size());
  for (const std::string& note : file.notes) AppendText(&out, note);
  return out;
}

Result<FileText> ParseFileText(std::string_view bytes) {
  const Status wrong = DataLoss("a reader's result is damaged");
  ByteReader in(AsBytes(bytes));
  FileText file;
  TextStructure& structure = file.structure;
  uint64_t body_begin = 0, headings = 0, notes = 0;
  uint8_t by_lines = 0;
  if (!ReadString(&in, &file.text) || !ReadString(&in, &structure.title) || !in.Read(&body_begin) ||
      !in.Read(&by_lines) || !in.Read(&headings)) {
    return wrong;
  }
  structure.body_begin = body_begin;
  structure.by_lines = by_lines != 0;
  for (uint64_t i = 0; i < headings; ++i) {
    Heading heading;
    if (!in.Read(&heading.level) || !ReadString(&in, &heading.title) || !in.Read(&heading.range)) {
      return wrong;
    }
    structure.headings.push_back(std::move(heading));
  }
  if (!ReadList(&in, &structure.tables) || !ReadList(&in, &structure.blocks) ||
      !in.Read(&file.map.unit) || !ReadList(&in, &file.map.runs) || !in.Read(&notes)) {
    return wrong;
  }
  for (uint64_t i = 0; i < notes; ++i) {
    std::string note;
    if (!ReadString(&in, &note)) return wrong;
    file.notes.push_back(std::move(note));
  }
  if (file.map.unit > PlaceUnit::kParagraph || !IsSound(file)) return wrong;
  return file;
}

}  // namespace kvlink::retrieval
