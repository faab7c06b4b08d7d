// Cuts a text into documents (retrieval/splitter.h): sections are refined into smaller and smaller
// pieces until each fits, and neighbours are packed together again up to the limit. Tokens of a
// packed part are summed from its pieces and counted once when it is closed, so that each byte is
// counted a handful of times, however long the text.
#include "retrieval/splitter.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <utility>

#include "retrieval/boundaries.h"

namespace kvlink::retrieval {
namespace {

enum class Level {
  kSection,
  kParagraph,
  kSentence,
  kLine,
  kWords,
  kWordParts,
  kClusters,
  kCharacters
};

struct Piece {
  TextRange range;
  Level level = Level::kSection;
  int64_t tokens = -1;           // of exactly this range; -1: not counted yet
  bool opens_paragraph = false;  // a cut before it is better than one before a sentence
};

using Pieces = std::vector<Piece>;

// Above this many bytes a token, a piece is too long without being counted. Wrongly taken apart it
// would be packed together again, so this only saves time.
constexpr int64_t kCertainlyTooLong = 256;

class Packer {
 public:
  Packer(std::string_view text, const TextStructure& structure, int max_tokens,
         const std::function<int64_t(std::string_view)>& count_tokens, std::vector<TextPart>* parts)
      : text_(text),
        structure_(structure),
        whole_max_(std::max(max_tokens, 1)),
        max_(whole_max_),
        count_tokens_(count_tokens),
        parts_(parts) {}

  void PackSection(const std::string& title, TextRange body) {
    const std::span<const TableHeader> tables = TablesIn(body);
    // Room for a table's header in each part; one that takes too much is not repeated.
    int64_t reserved = 0;
    for (const TableHeader& table : tables) {
      const int64_t tokens = Count(table.header) + 1;
      if (tokens <= whole_max_ / 3) reserved = std::max(reserved, tokens);
    }
    if (reserved > 0 && TokensOrTooMany(body) <= whole_max_) reserved = 0;  // it stays whole
    max_ = whole_max_ - reserved;
    pending_.push_back({body, Level::kSection, -1, true});
    while (!pending_.empty()) {
      Piece piece = pending_.back();
      pending_.pop_back();
      if (piece.tokens < 0) piece.tokens = TokensOrTooMany(piece.range);
      if (piece.tokens > max_ && Refine(piece, Level::kCharacters)) continue;
      if (!Append(piece)) {
        // Better a paragraph begun here than a part of a few words.
        if (sum_ < Small() && Refine(piece, Level::kLine)) continue;
        pending_.push_back(piece);
        Close();
      }
      if (pending_.empty()) Close();
    }
    if (packed_.size() > 1 && Count(Span(packed_.back())) < Small()) BalanceLastTwo();
    auto table = tables.begin();
    for (const Pieces& pieces : packed_) {
      const TextRange r = Span(pieces);
      while (table != tables.end() && table->rows_end <= r.begin) ++table;
      std::string text;
      if (reserved > 0 && table != tables.end() && table->header.end < r.begin &&
          Count(table->header) + 1 <= reserved) {
        text = std::string(text_.substr(table->header.begin, table->header.size())) + "\n";
      }
      text += text_.substr(r.begin, r.size());
      parts_->push_back(
          {title, std::move(text), static_cast<int64_t>(r.begin), static_cast<int64_t>(r.end)});
    }
    packed_.clear();
  }

 private:
  std::span<const TableHeader> TablesIn(TextRange body) const {
    const std::vector<TableHeader>& all = structure_.tables;
    const auto first = std::partition_point(
        all.begin(), all.end(), [&](const auto& t) { return t.rows_end <= body.begin; });
    const auto end = std::partition_point(first, all.end(),
                                          [&](const auto& t) { return t.header.begin < body.end; });
    return {first, end};
  }

  int64_t Small() const { return max_ / 4; }
  int64_t Count(TextRange r) const {
    return std::max<int64_t>(count_tokens_(text_.substr(r.begin, r.size())), 0);
  }
  int64_t TokensOrTooMany(TextRange r) const {
    const auto bytes = static_cast<int64_t>(r.size());
    return bytes > kCertainlyTooLong * max_ ? bytes / 4 + max_ : Count(r);
  }
  static TextRange Span(const Pieces& pieces) {
    return {pieces.front().range.begin, pieces.back().range.end};
  }

  // What the space between two pieces adds: a space goes into the next word's token.
  int64_t GapTokens(size_t begin, size_t end) const {
    if (end - begin == 0 || (end - begin == 1 && text_[begin] == ' ')) return 0;
    return end - begin <= 2 ? 1 : Count({begin, end});
  }

  std::vector<TextRange> Cut(const Piece& piece, Level level) const {
    // An eighth of the limit: small enough to fill a part well, large enough for few counts.
    const int64_t bytes = static_cast<int64_t>(piece.range.size());
    const auto target = static_cast<size_t>(bytes * max_ / (8 * std::max(piece.tokens, max_)));
    switch (level) {
      case Level::kSection:
        break;
      case Level::kParagraph:
        return Paragraphs(text_, piece.range, structure_.blocks);
      case Level::kSentence:
        if (structure_.by_lines) return Lines(text_, piece.range, structure_.blocks);
        return Sentences(text_, piece.range);
      case Level::kLine:
        return Lines(text_, piece.range);
      case Level::kWords:
        return WordRuns(text_, piece.range, target);
      case Level::kWordParts:
        return WordPartRuns(text_, piece.range, target);
      case Level::kClusters:
        return ClusterRuns(text_, piece.range, target);
      case Level::kCharacters:
        return CharacterRuns(text_, piece.range, target);
    }
    return {piece.range};
  }

  // The piece as two or more smaller ones, cut at the coarsest level that can; empty if none can.
  Pieces Parts(const Piece& piece, Level finest) const {
    // Runs of words and characters may be cut again at their own level.
    const bool again = piece.level >= Level::kWords;
    for (int l = static_cast<int>(piece.level) + (again ? 0 : 1); l <= static_cast<int>(finest);
         ++l) {
      const auto level = static_cast<Level>(l);
      const std::vector<TextRange> ranges = Cut(piece, level);
      if (ranges.size() < 2) continue;
      Pieces out;
      out.reserve(ranges.size());
      for (const TextRange& range : ranges) {
        const bool opens = out.empty() ? piece.opens_paragraph : level == Level::kParagraph;
        out.push_back({range, level, -1, opens});
      }
      return out;
    }
    return {};
  }

  bool Refine(const Piece& piece, Level finest) {
    const Pieces pieces = Parts(piece, finest);
    pending_.insert(pending_.end(), pieces.rbegin(), pieces.rend());
    return !pieces.empty();
  }

  // Takes the piece into the running part if it fits.
  bool Append(const Piece& piece) {
    if (current_.empty()) {
      sum_ = piece.tokens;
      counted_ = true;
    } else {
      const size_t gap_begin = current_.back().range.end;
      const int64_t joined = sum_ + piece.tokens + GapTokens(gap_begin, piece.range.begin);
      if (joined <= max_) {
        sum_ = joined;
        counted_ = false;
      } else if (joined <= max_ + max_ / 8) {  // sums are a little too high: ask
        const int64_t real = Count({current_.front().range.begin, piece.range.end});
        if (real > max_) return false;
        sum_ = real;
        counted_ = true;
      } else {
        return false;
      }
    }
    current_.push_back(piece);
    return true;
  }

  // Ends the running part. Tokens across a joint may be more than the sum; then the last pieces go
  // back to where they came from.
  void Close() {
    while (!counted_ && current_.size() > 1 && Count(Span(current_)) > max_) {
      pending_.push_back(current_.back());
      current_.pop_back();
    }
    packed_.push_back(std::exchange(current_, {}));
  }

  // A last part of a few words shares with the one before it, at the joint nearest to the middle,
  // better between paragraphs than between sentences. Left as it is where no joint will do.
  void BalanceLastTwo() {
    Pieces& last = packed_.back();
    Pieces& before = packed_[packed_.size() - 2];
    Pieces pieces;
    int64_t total = 0;
    for (const Pieces* part : {&before, &last}) {
      for (const Piece& piece : *part) {
        Pieces smaller = piece.tokens > Small() ? Parts(piece, Level::kLine) : Pieces{};
        if (smaller.empty()) smaller.push_back(piece);
        for (Piece& p : smaller) {
          if (p.tokens < 0) p.tokens = Count(p.range);
          total += p.tokens;
          pieces.push_back(p);
        }
      }
    }
    size_t best = 0;
    int64_t best_cost = max_;
    int64_t left = 0;
    for (size_t i = 1; i < pieces.size(); ++i) {
      left += pieces[i - 1].tokens;
      if (left > max_ || total - left > max_ || total - left < Small()) continue;
      const int64_t off_middle = std::abs(2 * left - total) / 2;
      const int64_t cost = off_middle + (pieces[i].opens_paragraph ? 0 : max_ / 8);
      if (cost < best_cost) {
        best = i;
        best_cost = cost;
      }
    }
    if (best == 0) return;
    Pieces first(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(best));
    Pieces second(pieces.begin() + static_cast<std::ptrdiff_t>(best), pieces.end());
    if (Count(Span(first)) > max_ || Count(Span(second)) > max_) return;
    before = std::move(first);
    last = std::move(second);
  }

  std::string_view text_;
  const TextStructure& structure_;
  int64_t whole_max_;
  int64_t max_;  // without what a table's header takes
  const std::function<int64_t(std::string_view)>& count_tokens_;
  std::vector<TextPart>* parts_;
  Pieces pending_;              // what is still to be packed, last first
  Pieces current_;              // the running part
  int64_t sum_ = 0;             // its tokens
  bool counted_ = true;         // sum_ is a count, not a sum of counts
  std::vector<Pieces> packed_;  // the section's parts so far
};

}  // namespace

std::vector<TextPart> SplitText(std::string_view text, const TextStructure& structure,
                                int max_tokens,
                                const std::function<int64_t(std::string_view)>& count_tokens) {
  std::vector<TextPart> parts;
  Packer packer(text, structure, max_tokens, count_tokens, &parts);
  for (const Section& section : SectionsOf(text, structure)) {
    packer.PackSection(section.title, section.body);
  }
  return parts;
}

}  // namespace kvlink::retrieval
