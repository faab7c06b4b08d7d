// Texts from files and standard input (retrieval/read_source.h).
#include "retrieval/read_source.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <span>
#include <utility>

#include "base/absolute_path.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "retrieval/formats.h"
#include "retrieval/read_format.h"
#include "retrieval/splitter.h"
#include "retrieval/titles.h"

namespace kvlink::retrieval {
namespace {

namespace fs = std::filesystem;

// Raised whenever the same bytes would be split differently, so that every source counts as
// changed.
constexpr uint64_t kSplitterVersion = 5;

// "-" has no name to give.
std::string Stem(const std::string& name) {
  return name == "-" ? std::string() : fs::path(name).stem().string();
}

SourceDocument MakeDocument(const std::string& source, std::string title, std::string text,
                            Place place, PlaceUnit unit) {
  SourceDocument document;
  document.id = DocumentId(title, text);
  document.title = std::move(title);
  document.text = std::move(text);
  document.source = source;
  document.begin = place.begin;
  document.end = place.end;
  document.unit = unit;
  return document;
}

std::string Plural(int64_t n, const char* one, const char* many) {
  return std::to_string(n) + " " + (n == 1 ? one : many);
}

// What decides the documents, but for the bytes.
Sha256 BeginContentHash(const ReadOptions& options) {
  Sha256 hash;
  hash.Field(kSplitterVersion).Field(static_cast<uint64_t>(options.max_tokens));
  hash.Field(options.keys.text).Field(options.keys.title);
  return hash;
}

// Both hashes of a file's bytes in pieces, and whether they are text of lines that may be read so:
// UTF-8 without a mark or NUL that begins with an object.
class PieceHasher {
 public:
  PieceHasher(const ReadOptions& options, int64_t size_bytes)
      : content_(BeginContentHash(options)), left_(size_bytes) {
    // As Field of all bytes: their number first.
    content_.Field(static_cast<uint64_t>(size_bytes));
    bytes_.Field(static_cast<uint64_t>(size_bytes));
  }

  void Take(std::string_view piece) {
    content_.Update(std::as_bytes(std::span(piece)));
    bytes_.Update(std::as_bytes(std::span(piece)));
    left_ -= static_cast<int64_t>(piece.size());
    if (!plain_) return;
    if (!begun_) {
      const size_t first = piece.find_first_not_of(" \t\r\n");
      begun_ = first != piece.npos;
      plain_ = !begun_ || piece[first] == '{';
    }
    plain_ = plain_ && piece.find('\0') == piece.npos;
    cut_.append(piece);
    const size_t good = WellFormedEnd(cut_, 0);
    cut_.erase(0, good);
    plain_ = plain_ && cut_.size() < 4;  // a character that the piece's end cuts
    if (!plain_) cut_.clear();
  }

  // False: the file is to be read whole.
  bool Finish(SourceBytes* source) {
    source->content_hash = ToHex(content_.Finish());
    source->state.bytes_hash = ToHex(bytes_.Finish());
    return plain_ && begun_ && cut_.empty() && left_ == 0;
  }

 private:
  Sha256 content_, bytes_;
  int64_t left_;
  bool plain_ = true;
  bool begun_ = false;
  std::string cut_;
};

// The documents of one source on their way, and what is to be said of them.
class Splitting {
 public:
  Splitting(const SourceBytes& source, const ReadOptions& options, const TokenCounter& count_tokens,
            const TakeDocument& take)
      : source_(source), options_(options), count_tokens_(count_tokens), take_(take) {
    file_.path = source.path;
    file_.content_hash = source.content_hash;
    file_.state = source.state;
    most_title_tokens_ = MostTitleTokens(options.max_tokens);
  }

  Status TakeWhole() {
    const Format& format = FormatOfBytes(source_.path, source_.bytes);
    const Result<DecodedFile> decoded = DecodeFile(format, source_.bytes);
    if (!decoded.ok()) return Named(decoded.status());
    const RepairedText& repaired = decoded->text;
    data_uris_ = decoded->data_uris;
    if (!repaired.charset.empty()) {
      file_.notes.push_back(source_.path + ": is not UTF-8 and was read as " + repaired.charset);
    }
    if (repaired.replaced_bytes > 0) {
      file_.notes.push_back(source_.path + ": " +
                            Plural(repaired.replaced_bytes, "byte that is not UTF-8 was",
                                   "bytes that are not UTF-8 were") +
                            " replaced");
    }
    NoteDataUris();
    if (format.kind == FileKind::kText && LooksLikeHtml(repaired.text)) {
      file_.notes.push_back(source_.path +
                            ": is HTML, whose tags are taken as text; name it .html");
    }
    const bool has_name = FormatOfPath(source_.path) != nullptr;
    const bool is_text = format.kind == FileKind::kText;
    if (format.kind == FileKind::kJsonl || (!has_name && is_text && IsJsonl(repaired.text))) {
      KVLINK_RETURN_IF_ERROR(TakeLines(repaired, /*begin=*/0, /*first_line=*/1));
      return CheckLines();
    }
    const Result<FileText> read = ReadDecoded(format, repaired);
    if (!read.ok()) return Named(read.status());
    for (const std::string& note : read->notes) file_.notes.push_back(source_.path + ": " + note);
    for (TextPart& part :
         SplitText(read->text, read->structure, options_.max_tokens, count_tokens_)) {
      const Place place =
          read->map.PlaceOf({static_cast<size_t>(part.begin), static_cast<size_t>(part.end)});
      KVLINK_RETURN_IF_ERROR(
          Take(BoundTitle(part.title), std::move(part.text), place, read->map.unit));
    }
    return {};
  }

  Status TakeInPieces(FileSystem& files) {
    PieceHasher hasher(options_, source_.state.size_bytes);
    std::string lines;  // begun, and not taken yet
    int64_t begin = 0;  // of them in the file
    int64_t line = 1;
    const auto take_lines = [&](size_t size) -> Status {
      RepairedText text;
      text.text = lines.substr(0, size);
      lines.erase(0, size);
      const int64_t here = begin, first_line = line;
      begin += static_cast<int64_t>(size);
      line += std::count(text.text.begin(), text.text.end(), '\n');
      data_uris_ += LeaveOutDataUris(&text);
      return TakeLines(text, here, first_line);
    };
    KVLINK_RETURN_IF_ERROR(
        files.ReadPieces(source_.path, options_.max_file_bytes, [&](std::string_view piece) {
          hasher.Take(piece);
          const size_t old = lines.size();
          lines.append(piece);
          const size_t end = lines.find_last_of('\n');
          return end == lines.npos || end < old ? Status() : take_lines(end + 1);
        }));
    KVLINK_RETURN_IF_ERROR(take_lines(lines.size()));
    SourceBytes now;
    (void)hasher.Finish(&now);
    const bool written_to = now.state.bytes_hash != source_.state.bytes_hash;  // meanwhile
    if (written_to) file_.content_hash.clear();
    NoteDataUris();
    return CheckLines();
  }

  SourceFile Finish() {
    if (without_text_ > 0) {
      file_.notes.push_back(source_.path + ": " + Plural(without_text_, "line has", "lines have") +
                            " no text and gave no document");
    }
    if (cut_titles_ > 0) {
      file_.notes.push_back(source_.path + ": " + Plural(cut_titles_, "title", "titles") +
                            " of more than " + std::to_string(most_title_tokens_) + " tokens " +
                            (cut_titles_ == 1 ? "was" : "were") + " cut");
    }
    if (taken_ == 0) file_.notes.push_back(source_.path + ": is empty and gave no document");
    return std::move(file_);
  }

 private:
  void NoteDataUris() {
    if (data_uris_ == 0) return;
    file_.notes.push_back(source_.path + ": " +
                          Plural(data_uris_, "embedded file (data:...;base64) was",
                                 "embedded files (data:...;base64) were") +
                          " left out");
  }

  std::string BoundTitle(const std::string& title) {
    bool cut = false;
    std::string bounded = BoundedTitle(title.empty() ? Stem(source_.path) : title,
                                       most_title_tokens_, count_tokens_, &cut);
    cut_titles_ += cut ? 1 : 0;
    return bounded;
  }

  Status Named(const Status& status) const {
    return Status(status.code(), source_.path + ": " + status.message());
  }

  Status Take(const std::string& title, std::string text, Place place,
              PlaceUnit unit = PlaceUnit::kByte) {
    ++taken_;
    return take_(MakeDocument(source_.path, title, std::move(text), place, unit));
  }

  // `begin`: of the text in the source.
  Status TakeLines(const RepairedText& text, int64_t begin, int64_t first_line) {
    JsonlLines lines = ParseJsonl(source_.path, text.text, options_.keys, first_line);
    right_lines_ += static_cast<int64_t>(lines.documents.size());
    std::move(lines.failures.begin(), lines.failures.end(), std::back_inserter(file_.failures));
    for (const JsonlDocument& line : lines.documents) {
      std::vector<TextPart> parts = SplitText(line.text, {}, options_.max_tokens, count_tokens_);
      without_text_ += parts.empty() ? 1 : 0;
      if (parts.empty()) continue;
      const std::string title = BoundTitle(line.title);
      for (TextPart& part : parts) {
        const Place place{begin + text.SourceOffset(line.begin),
                          begin + text.SourceOffset(line.end)};
        KVLINK_RETURN_IF_ERROR(Take(title, std::move(part.text), place));
      }
    }
    return {};
  }

  // Without a right line it is as if the file could not be read: what was known of it stays.
  Status CheckLines() const {
    const std::vector<std::string>& failures = file_.failures;
    if (right_lines_ > 0 || failures.empty()) return {};
    const auto others = static_cast<int64_t>(failures.size()) - 1;
    return InvalidArgument(failures[0] +
                           (others == 0 ? ""
                                        : "; nor is any other of its " +
                                              Plural(others + 1, "line", "lines") + " right"));
  }

  const SourceBytes& source_;
  const ReadOptions& options_;
  const TokenCounter& count_tokens_;
  const TakeDocument& take_;
  SourceFile file_;
  int64_t most_title_tokens_ = 0;
  int64_t taken_ = 0, right_lines_ = 0, without_text_ = 0, cut_titles_ = 0, data_uris_ = 0;
};

}  // namespace

std::string DocumentId(std::string_view title, std::string_view text) {
  const Sha256Digest digest = Sha256().Field(title).Field(text).Finish();
  return ToHex(std::span(digest).first(8));
}

Result<SourceBytes> ReadSourceBytes(FileSystem& files, const std::string& path,
                                    const ReadOptions& options) {
  SourceBytes source;
  source.path = AbsolutePath(path);
  // Looked at first: a file that changes while it is read counts as changed.
  source.state = LookAtFile(files, path);
  const int64_t size = source.state.size_bytes;
  const Format* format = FormatOfPath(path);
  if (format != nullptr && format->kind == FileKind::kJsonl && size > options.most_whole_bytes) {
    PieceHasher hasher(options, size);
    KVLINK_RETURN_IF_ERROR(
        files.ReadPieces(path, options.max_file_bytes, [&](std::string_view piece) {
          hasher.Take(piece);
          return Status();
        }));
    source.in_pieces = hasher.Finish(&source);
    if (source.in_pieces) return source;
  }
  KVLINK_ASSIGN_OR_RETURN(std::string bytes, ReadWholeFile(files, path, options.max_file_bytes));
  SourceBytes whole = SourceBytesOf(source.path, std::move(bytes), options);
  whole.state = std::move(source.state);
  whole.state.bytes_hash = HashOfBytes(whole.bytes);
  return whole;
}

SourceBytes SourceBytesOf(const std::string& name, std::string bytes, const ReadOptions& options) {
  SourceBytes source;
  source.path = name;
  source.content_hash = ToHex(BeginContentHash(options).Field(bytes).Finish());
  source.bytes = std::move(bytes);
  return source;
}

Result<SourceFile> SplitSource(FileSystem& files, const SourceBytes& source,
                               const ReadOptions& options, const TokenCounter& count_tokens,
                               const TakeDocument& take) {
  Splitting splitting(source, options, count_tokens, take);
  KVLINK_RETURN_IF_ERROR(source.in_pieces ? splitting.TakeInPieces(files) : splitting.TakeWhole());
  return splitting.Finish();
}

}  // namespace kvlink::retrieval
