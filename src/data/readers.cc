// ReadExamples (data/readers.h): unpacks, splits into JSON records or pieces of text, and numbers
// their lines. What a record means is layouts.cc's.
#include "data/readers.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "data/gunzip.h"
#include "data/layouts.h"
#include "data/pieces.h"

namespace kvlink::data {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

// The file's name without folders and the endings that say how it is packed and written.
std::string Stem(std::string_view path) {
  std::string_view name = FileNameOf(path);
  for (const std::string_view ending : {".gz", ".jsonl", ".ndjson", ".json", ".txt", ".md"}) {
    if (name.size() > ending.size() && name.ends_with(ending)) name.remove_suffix(ending.size());
  }
  return std::string(name);
}

bool NameSays(std::string_view path, std::initializer_list<std::string_view> endings) {
  if (path.ends_with(".gz")) path.remove_suffix(3);
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view ending) { return path.ends_with(ending); });
}

struct Record {
  std::string_view text;  // trimmed
  int64_t line = 1;
};

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// The end of the JSON value at `at`, where brackets and quotes close; text.size() if they do not. A
// value that is no JSON still ends somewhere: its parser says what is wrong with it.
size_t ValueEnd(std::string_view text, size_t at) {
  int64_t depth = 0;
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') {
        ++at;
      } else if (c == '"') {
        quoted = false;
      }
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (depth == 0) return at;  // of the array around it
      if (--depth == 0) return at + 1;
    }
    if (c == ',' && depth == 0) return at;
  }
  return text.size();
}

std::vector<Record> LinesOf(std::string_view text) {
  std::vector<Record> records;
  int64_t line = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    ++line;
    if (const std::string_view record = Trimmed(text.substr(at, end - at)); !record.empty()) {
      records.push_back({record, line});
    }
    at = end + 1;
  }
  return records;
}

// Counts lines up to an offset; offsets must not go back.
class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}
  int64_t LineAt(size_t offset) {
    line_ += std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                        text_.begin() + static_cast<ptrdiff_t>(offset), '\n');
    at_ = offset;
    return line_;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

Status Broken(const std::string& path, int64_t line, const std::string& expected,
              const std::string& found) {
  return InvalidArgument(path + ":" + std::to_string(line) + ": " + expected + " expected, " +
                         found + " found");
}

// The elements of one array, which is all of the file.
Result<std::vector<Record>> ElementsOf(const std::string& path, std::string_view text) {
  std::vector<Record> records;
  LineCounter lines(text);
  size_t at = text.find('[') + 1;
  for (bool first = true;; first = false) {
    at = std::min(text.find_first_not_of(kSpaces, at), text.size());
    if (first && at < text.size() && text[at] == ']') break;
    const size_t end = ValueEnd(text, at);
    if (Trimmed(text.substr(at, end - at)).empty()) {
      return Broken(path, lines.LineAt(std::min(at, text.size())), "an element of the array",
                    at == text.size() ? "the end of the file" : Quoted(text.substr(at, 20)));
    }
    records.push_back({Trimmed(text.substr(at, end - at)), lines.LineAt(at)});
    at = std::min(text.find_first_not_of(kSpaces, end), text.size());
    if (at < text.size() && text[at] == ']') break;
    if (at == text.size() || text[at] != ',') {
      return Broken(path, lines.LineAt(at), "\",\" or \"]\" after an element of the array",
                    at == text.size() ? "the end of the file" : Quoted(text.substr(at, 20)));
    }
    ++at;
  }
  const size_t after = text.find_first_not_of(kSpaces, at + 1);
  if (after != text.npos) {
    return Broken(path, lines.LineAt(after), "nothing after the array",
                  Quoted(text.substr(after, 20)));
  }
  return records;
}

// A first line that holds a whole value is the first of many; else the file is one object, written
// over several lines.
std::vector<Record> ObjectsOf(std::string_view text) {
  std::vector<Record> lines = LinesOf(text);
  const std::string_view first = lines[0].text;
  if (lines.size() == 1 || ValueEnd(first, 0) != first.size() || !first.ends_with('}')) {
    const std::string_view whole = Trimmed(text);
    // A value that closes before the file ends is followed by others: then lines are meant, and the
    // first of them is broken.
    if (ValueEnd(whole, 0) == whole.size()) return {{whole, lines[0].line}};
  }
  return lines;
}

Status ReadText(const std::string& path, std::string_view text, const std::string& dataset,
                const ReadExamplesOptions& options, std::vector<Example>* examples) {
  if (const size_t end = WellFormedEnd(text, 0); end != text.size()) {
    return Broken(path, LineCounter(text).LineAt(end), "JSON or UTF-8 text",
                  "the bytes " + Quoted(text.substr(end, 4)));
  }
  int64_t number = 0;
  LineCounter lines(text);
  for (const std::string_view piece : CutText(text, options.text_words)) {
    if (options.limit > 0 && number >= options.limit) break;
    Example example;
    example.id = dataset + "-" + std::to_string(number++);
    example.dataset = dataset;
    example.kind = ExampleKind::kText;
    example.answers.emplace_back(piece);
    const auto offset = static_cast<size_t>(piece.data() - text.data());
    example.place = path + ":" + std::to_string(lines.LineAt(offset));
    examples->push_back(std::move(example));
  }
  return Status();
}

Result<std::vector<Example>> ReadTextOrRecords(const std::string& path, std::string_view text,
                                               const ReadExamplesOptions& options) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::string dataset = options.dataset.empty() ? Stem(path) : options.dataset;
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == text.npos) return InvalidArgument(path + ": examples expected, an empty file found");
  std::vector<Example> examples;
  const bool json = (text[begin] == '{' || text[begin] == '[') && !NameSays(path, {".txt", ".md"});
  if (!json && !NameSays(path, {".jsonl", ".ndjson", ".json"})) {
    KVLINK_RETURN_IF_ERROR(ReadText(path, text, dataset, options, &examples));
    return examples;
  }
  std::vector<Record> records;
  if (text[begin] == '[') {
    KVLINK_ASSIGN_OR_RETURN(records, ElementsOf(path, text));
  } else {
    records = ObjectsOf(text);
  }
  RecordPlace place{path, 1, 0, dataset};
  for (const Record& record : records) {
    if (options.limit > 0 && static_cast<int64_t>(examples.size()) >= options.limit) break;
    place.line = record.line;
    KVLINK_RETURN_IF_ERROR(ReadRecord(place, record.text, options, &examples));
    ++place.number;
  }
  if (examples.empty()) {
    return InvalidArgument(path + ": at least one example expected, none found in " +
                           std::to_string(records.size()) + " records");
  }
  return examples;
}

}  // namespace

Result<std::vector<Example>> ReadExamples(std::span<const std::byte> bytes, const std::string& path,
                                          const ReadExamplesOptions& options) {
  if (IsGzip(bytes)) {
    KVLINK_ASSIGN_OR_RETURN(const std::string text, Gunzip(path, bytes, options.max_bytes));
    return ReadTextOrRecords(path, text, options);
  }
  if (static_cast<int64_t>(bytes.size()) > options.max_bytes) {
    return InvalidArgument(path + ": at most " + std::to_string(options.max_bytes) +
                           " bytes expected, " + std::to_string(bytes.size()) + " found");
  }
  return ReadTextOrRecords(path, AsText(bytes), options);
}

Result<std::vector<Example>> ReadExamples(FileSystem& files, const std::string& path,
                                          const ReadExamplesOptions& options) {
  KVLINK_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, files.Map(path));
  Result<std::vector<Example>> examples = ReadExamples(file->bytes(), path, options);
  KVLINK_RETURN_IF_ERROR(file->CheckUnchanged());  // first: what else is wrong may come of it
  return examples;
}

}  // namespace kvlink::data
