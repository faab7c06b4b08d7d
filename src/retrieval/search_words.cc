// Words of texts and questions (retrieval/search_words.h).
#include "retrieval/search_words.h"

#include <algorithm>
#include <utility>

#include "retrieval/stem.h"
#include "text/unicode.h"

namespace kvlink::retrieval {
namespace {

constexpr uint32_t kSoftHyphen = 0xad;
constexpr uint32_t kZeroWidthSpace = 0x200b;
constexpr uint32_t kHyphen = 0x2010;
// FTS5 keeps at most 32,768 bytes of a term; longer runs than this are no words of anybody.
constexpr size_t kLongestWord = 256;

struct Character {
  uint32_t c;
  size_t begin;
  size_t end;
};

bool IsCjk(text::Script script) {
  return script == text::Script::kHan || script == text::Script::kHiragana ||
         script == text::Script::kKatakana;
}

// Neighbours of the same kind are cut alike.
enum class Kind { kSpelled, kCjk, kKorean, kDictionary };
Kind KindOf(text::Script script) {
  if (IsCjk(script)) return Kind::kCjk;
  if (script == text::Script::kHangul) return Kind::kKorean;
  return script == text::Script::kSoutheastAsian ? Kind::kDictionary : Kind::kSpelled;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}
bool IsAsciiWord(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string FirstBytes(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (static_cast<uint8_t>(text[most]) & 0xc0) == 0x80) --most;
  return std::string(text.substr(0, most));
}

class Analyser {
 public:
  explicit Analyser(std::string_view text) : text_(text) {}

  std::vector<SearchWord> Run() && {
    size_t at = 0;
    while (at < text_.size()) {
      const size_t begin = at;
      if (IsAsciiWord(text_[at])) {
        // Nearly all of most texts: no call of ICU.
        while (at < text_.size() && IsAsciiWord(text_[at])) ++at;
        if (at == text_.size() || static_cast<uint8_t>(text_[at]) < 0x80) {
          AddSpelled(begin, at, text_.substr(begin, at - begin), text::Script::kLatin);
          JoinLines(begin, at);
          continue;
        }
        at = begin;
      } else if (static_cast<uint8_t>(text_[at]) < 0x80) {
        ++at;
        continue;
      }
      at = RunEnd(begin);
      if (at == begin) {
        text::NextCharacter(text_, &at);
        continue;
      }
      AddRun(begin, at);
      JoinLines(begin, at);
    }
    return std::move(words_);
  }

 private:
  // Where the letters, numbers, marks and ignorable characters that begin at `at` end.
  size_t RunEnd(size_t at) const {
    while (at < text_.size()) {
      size_t next = at;
      const uint32_t c = text::NextCharacter(text_, &next);
      if (!text::IsLetterOrNumber(c) && !text::IsMark(c) && !text::IsIgnorable(c)) break;
      at = next;
    }
    return at;
  }

  void AddRun(size_t begin, size_t end) {
    // Zero-width spaces part the words of some scripts, and are only places to break a line in
    // others: both readings are kept.
    size_t piece = begin;
    const size_t first_word = words_.size();
    bool cut = false;
    for (size_t at = begin; at <= end;) {
      size_t next = at;
      const uint32_t c = at < end ? text::NextCharacter(text_, &next) : kZeroWidthSpace;
      if (c == kZeroWidthSpace) {
        if (at > piece) AddFolded(piece, at, text::FoldCase(text_.substr(piece, at - piece)));
        cut |= at < end;
        piece = next;
      }
      if (at == end) break;
      at = next;
    }
    if (cut && words_.size() > first_word + 1) {
      AddJoined(first_word, begin, end, text::FoldCase(text_.substr(begin, end - begin)));
    }
  }

  // The folded run may hold separators again: a fraction's bar, the spaces of a ligature.
  void AddFolded(size_t begin, size_t end, const std::string& folded) {
    std::vector<Character> run;
    Kind kind = Kind::kSpelled;
    const auto flush = [&] {
      if (run.empty()) return;
      const std::string_view piece =
          std::string_view(folded).substr(run.front().begin, run.back().end - run.front().begin);
      switch (kind) {
        case Kind::kSpelled:
          AddSpelled(begin, end, piece, ScriptOfWord(run));
          break;
        case Kind::kDictionary:
          AddByDictionary(begin, end, piece);
          break;
        case Kind::kCjk:
        case Kind::kKorean:
          AddWithPairs(begin, end, piece, run, kind);
          break;
      }
      run.clear();
    };
    for (size_t at = 0; at < folded.size();) {
      const size_t from = at;
      const uint32_t c = text::NextCharacter(folded, &at);
      const bool letter = text::IsLetterOrNumber(c);
      if (!letter && !(text::IsMark(c) && !run.empty())) {
        flush();
        continue;
      }
      const text::Script script = text::ScriptOf(c);
      // Digits, marks and the like go with what stands before them, in scripts that spell.
      if (letter && !(script == text::Script::kCommon && kind == Kind::kSpelled)) {
        const Kind now = KindOf(script);
        if (now != kind) {
          flush();
          kind = now;
        }
      }
      run.push_back({c, from, at});
    }
    flush();
  }

  static text::Script ScriptOfWord(const std::vector<Character>& run) {
    for (const Character& character : run) {
      const text::Script script = text::ScriptOf(character.c);
      if (script != text::Script::kCommon) return script;
    }
    return text::Script::kCommon;
  }

  void Push(size_t begin, size_t end, std::string word, SearchWord::Form form) {
    if (word.empty()) return;
    words_.push_back({std::move(word), begin, end, form});
  }

  // `piece`: the word, folded unless it is ASCII.
  void AddSpelled(size_t begin, size_t end, std::string_view piece, text::Script script) {
    std::string word = FirstBytes(piece, kLongestWord);
    for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    std::string stem = Stem(word, script);
    if (!IsAscii(word)) {
      word = text::WithoutAccents(word);
      stem = text::WithoutAccents(stem);
      // The accents of a language are the ones that its stemmer knows; typed without, a word has
      // another stem.
      const std::string plain = Stem(word, script);
      if (plain != stem && plain != word) {
        Push(begin, end, stem, SearchWord::kWord);
        Push(begin, end, plain, SearchWord::kUnstemmed);
        if (word != stem) Push(begin, end, word, SearchWord::kUnstemmed);
        return;
      }
    }
    if (stem.empty()) stem = word;
    const bool differs = stem != word;
    Push(begin, end, std::move(stem), SearchWord::kWord);
    if (differs) Push(begin, end, std::move(word), SearchWord::kUnstemmed);
  }

  void AddByDictionary(size_t begin, size_t end, std::string_view piece) {
    size_t from = 0;
    for (const size_t to : text::Breaks(piece, text::BreakKind::kWord)) {
      Push(begin, end, FirstBytes(piece.substr(from, to - from), kLongestWord), SearchWord::kWord);
      from = to;
    }
  }

  // The words of a dictionary (Korean: the run between spaces), each followed by the pairs of
  // characters that begin in it, and by its single ideographs.
  void AddWithPairs(size_t begin, size_t end, std::string_view piece,
                    const std::vector<Character>& run, Kind kind) {
    std::vector<size_t> breaks{piece.size()};
    if (kind == Kind::kCjk) breaks = text::Breaks(piece, text::BreakKind::kWord);
    const size_t base = run.front().begin;
    size_t i = 0;
    size_t from = 0;
    for (const size_t to : breaks) {
      const std::string word = FirstBytes(piece.substr(from, to - from), kLongestWord);
      Push(begin, end, word, SearchWord::kWord);
      for (; i < run.size() && run[i].begin - base < to; ++i) {
        const size_t at = run[i].begin - base;
        if (i + 1 < run.size()) {
          const std::string pair(piece.substr(at, run[i + 1].end - base - at));
          if (pair != word) Push(begin, end, pair, SearchWord::kPair);
        }
        const std::string single(piece.substr(at, run[i].end - run[i].begin));
        if (kind == Kind::kCjk && single != word &&
            text::ScriptOf(run[i].c) == text::Script::kHan) {
          Push(begin, end, single, SearchWord::kSingle);
        }
      }
      from = to;
    }
  }

  // A further reading of the words from first_word on: one word.
  void AddJoined(size_t first_word, size_t begin, size_t end, const std::string& folded) {
    const size_t before = words_.size();
    AddFolded(begin, end, folded);
    if (words_.size() == before) return;
    std::vector<SearchWord> joined(std::make_move_iterator(words_.begin() + Offset(before)),
                                   std::make_move_iterator(words_.end()));
    words_.resize(before);
    for (SearchWord& word : joined) word.form = SearchWord::kJoined;
    size_t at = first_word + 1;  // behind the other forms of the first word
    while (at < words_.size() && words_[at].form != SearchWord::kWord) ++at;
    words_.insert(words_.begin() + Offset(at), std::make_move_iterator(joined.begin()),
                  std::make_move_iterator(joined.end()));
  }
  static std::ptrdiff_t Offset(size_t n) { return static_cast<std::ptrdiff_t>(n); }

  // "umbrel-" at a line's end and "la" on the next: also "umbrella". Known when the second half has
  // been added; `begin` and `end` are the run that was added last.
  void JoinLines(size_t begin, size_t end) {
    if (half_end_ != 0 && begin == half_next_) {
      const std::string whole = std::string(text_.substr(half_begin_, half_end_ - half_begin_)) +
                                std::string(text_.substr(begin, end - begin));
      AddJoined(half_word_, half_begin_, end, text::FoldCase(whole));
    }
    half_end_ = 0;
    size_t at = end;
    size_t next = at;
    if (at < text_.size() &&
        (text::NextCharacter(text_, &next) == '-' || CharacterAt(at) == kHyphen)) {
      at = next;
    } else if (!EndsInSoftHyphen(begin, end)) {
      return;
    }
    const size_t hyphen_end = at;
    while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t' || text_[at] == '\r')) ++at;
    if (at == text_.size() || text_[at] != '\n') return;
    ++at;
    while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
    if (at == text_.size() || !text::IsLowerCase(CharacterAt(at)) || hyphen_end == 0) return;
    half_begin_ = begin;
    half_end_ = end;
    half_next_ = at;
    half_word_ = LastWordAt(begin);
  }

  uint32_t CharacterAt(size_t at) const { return text::NextCharacter(text_, &at); }
  bool EndsInSoftHyphen(size_t begin, size_t end) const {
    return end - begin > 2 && text_.substr(end - 2, 2) == "\u00ad";
  }
  size_t LastWordAt(size_t begin) const {
    size_t i = words_.size();
    while (i > 0 && words_[i - 1].begin >= begin) --i;
    return std::min(i, words_.empty() ? 0 : words_.size() - 1);
  }

  std::string_view text_;
  std::vector<SearchWord> words_;
  size_t half_begin_ = 0;  // the first half of a word that may go on in the next line
  size_t half_end_ = 0;    // 0: there is none
  size_t half_next_ = 0;   // where its second half begins
  size_t half_word_ = 0;   // its index in words_
};

}  // namespace

std::vector<SearchWord> SearchWords(std::string_view text) { return Analyser(text).Run(); }

std::string FileNameWords(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  if (dot != std::string_view::npos && dot > 0) name = name.substr(0, dot);
  std::string words;
  uint32_t before = 0;
  for (size_t at = 0; at < name.size();) {
    const uint32_t c = text::NextCharacter(name, &at);
    size_t after = at;
    const uint32_t next = at < name.size() ? text::NextCharacter(name, &after) : 0;
    const bool begins_capital =
        text::IsUpperCase(c) && (text::IsLowerCase(before) || text::IsLowerCase(next));
    if (before != 0 && (begins_capital || text::IsDigit(c) != text::IsDigit(before))) words += ' ';
    if (c == text::kNoCharacter ||
        !(text::IsLetterOrNumber(c) || text::IsMark(c) || c == kSoftHyphen)) {
      words += ' ';
    } else {
      text::AppendCharacter(c, &words);
    }
    before = c;
  }
  return words + " " + std::string(name);
}

std::string SearchAnalysisVersion() { return "1, ICU " + text::UnicodeLibraryVersion(); }

}  // namespace kvlink::retrieval
