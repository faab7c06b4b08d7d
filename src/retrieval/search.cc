// From a question to keys of documents (retrieval/search.h).
#include "retrieval/search.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "retrieval/question.h"
#include "retrieval/ranking.h"
#include "retrieval/spelling.h"
#include "text/unicode.h"

namespace kvlink::retrieval {
namespace {

// FTS5's BM25 chooses so many, and RankTexts puts them in order. Weights: title, text, file name.
constexpr size_t kCandidates = 100;
constexpr char kCandidatesSql[] =
    "SELECT rowid FROM documents_fts WHERE documents_fts MATCH ?1 "
    "ORDER BY bm25(documents_fts, 3.0, 1.0, 1.0), rowid LIMIT ?2";
constexpr char kCandidatesOfSourcesSql[] =
    "SELECT rowid FROM documents_fts WHERE documents_fts MATCH ?1 AND rowid IN "
    "(SELECT p.document FROM places p JOIN named_sources n ON n.key = p.source) "
    "ORDER BY bm25(documents_fts, 3.0, 1.0, 1.0), rowid LIMIT ?2";

constexpr size_t kMostWords = 128;  // of a question; the rarest
constexpr size_t kMostWordsLookedUp = 20'000;
constexpr size_t kMostRespelled = 8;
constexpr double kRespelledShare = 0.7;  // a guess counts less than a word that was asked for

struct KnownWord {
  QuestionWord word;
  int64_t documents = 0;  // that have it
  double share = 1;
};

// How many documents have a term.
class Vocabulary {
 public:
  static Result<Vocabulary> Open(Database& db) {
    KVLINK_ASSIGN_OR_RETURN(Statement count,
                            db.Prepare("SELECT doc FROM documents_terms WHERE term = ?"));
    return Vocabulary(db, std::move(count));
  }

  Result<int64_t> Documents(const QuestionWord& word) {
    int64_t most = 0;
    for (const std::string& form : word.forms) {
      KVLINK_ASSIGN_OR_RETURN(const bool row, count_.BindText(1, form).Step());
      if (row) most = std::max(most, count_.Int(0));
      count_.Reset();
    }
    return most;
  }

  // The term nearest to a word that no document has: one that it begins, or one that it is a slip
  // of. Equally near ones: what more documents have.
  Result<std::optional<KnownWord>> Nearest(const QuestionWord& word) {
    const std::string& written = word.forms.back();
    size_t characters = 0;
    bool digits = false;
    size_t first_size = 0;
    for (size_t at = 0; at < written.size(); ++characters) {
      digits |= text::IsDigit(text::NextCharacter(written, &at));
      if (first_size == 0) first_size = at;
    }
    const int tolerance = digits ? 0 : SpellingTolerance(characters);
    const bool as_beginning = characters >= 4;
    if (tolerance == 0 && !as_beginning) return std::optional<KnownWord>();
    const std::string first = written.substr(0, tolerance == 0 ? written.size() : first_size);
    KVLINK_ASSIGN_OR_RETURN(
        Statement near,
        db_->Prepare("SELECT term, doc FROM documents_terms WHERE term >= ?1 AND term < ?2"));
    near.BindText(1, first).BindText(2, first + "\xff");
    std::string best;
    int best_distance = tolerance + 1;
    int64_t documents = 0;
    while (true) {
      KVLINK_ASSIGN_OR_RETURN(const bool row, near.Step());
      if (!row) break;
      const std::string_view term = near.Text(0);
      const bool begins = as_beginning && term.starts_with(written);
      const int distance =
          begins ? std::min(1, best_distance) : SpellingDistance(written, term, tolerance);
      if (distance > std::max(tolerance, begins ? 1 : 0)) continue;
      if (best.empty() || distance < best_distance ||
          (distance == best_distance && near.Int(1) > documents)) {
        best = term;
        best_distance = distance;
        documents = near.Int(1);
      }
    }
    if (best.empty()) return std::optional<KnownWord>();
    return std::optional<KnownWord>({{best, {best}, false}, documents, kRespelledShare});
  }

 private:
  Vocabulary(Database& db, Statement count) : db_(&db), count_(std::move(count)) {}
  Database* db_;
  Statement count_;
};

struct Wanted {
  std::vector<KnownWord> words;
  int64_t unknown = 0;  // words that no document has, nor one like them
  std::string note;
};

// A word's inverse document frequency.
double Rarity(int64_t documents_with_it, int64_t all) {
  const auto n = static_cast<double>(documents_with_it);
  const double others = std::max(static_cast<double>(all) - n, 0.0);
  return std::log1p((others + 0.5) / (n + 0.5));
}

// The words to search for: those that some document has, common ones only if there are no others.
Result<Wanted> WantedWords(Database& db, std::string_view question) {
  std::vector<QuestionWord> asked = QuestionWords(question);
  if (asked.size() > kMostWordsLookedUp) asked.resize(kMostWordsLookedUp);
  KVLINK_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::Open(db));
  Wanted wanted;
  size_t respelled = 0;
  for (const bool common : {false, true}) {
    for (const QuestionWord& word : asked) {
      if (word.common != common) continue;
      KVLINK_ASSIGN_OR_RETURN(const int64_t documents, vocabulary.Documents(word));
      if (documents > 0) {
        wanted.words.push_back({word, documents, 1});
      } else if (!common) {
        std::optional<KnownWord> near;
        if (asked.size() <= kMostWords && respelled++ < kMostRespelled) {
          KVLINK_ASSIGN_OR_RETURN(near, vocabulary.Nearest(word));
        }
        if (!near) {
          ++wanted.unknown;
          continue;
        }
        wanted.note += (wanted.note.empty() ? "no document has " : ", ") + ("\"" + word.written) +
                       "\"; searched for \"" + near->word.written + "\" instead";
        wanted.words.push_back(*std::move(near));
      }
    }
    if (!wanted.words.empty()) break;
  }
  if (wanted.words.size() > kMostWords) {
    // In the question's order still, for words that stand together.
    std::vector<int64_t> counts;
    for (const KnownWord& word : wanted.words) counts.push_back(word.documents);
    std::nth_element(counts.begin(), counts.begin() + kMostWords - 1, counts.end());
    const int64_t most = counts[kMostWords - 1];
    size_t rarer = 0;
    for (const KnownWord& word : wanted.words) rarer += word.documents < most ? 1 : 0;
    std::erase_if(wanted.words, [&, room = kMostWords - rarer](const KnownWord& word) mutable {
      if (word.documents != most) return word.documents > most;
      return room == 0 || room-- == 0;
    });
  }
  return wanted;
}

std::string MatchOf(const std::vector<KnownWord>& words) {
  std::string match;
  for (const KnownWord& known : words) {
    for (const std::string& form : known.word.forms) {
      match += match.empty() ? "\"" : " OR \"";
      match += form;  // of letters, numbers and marks alone: never a quotation mark
      match += '"';
    }
  }
  return match;
}

Result<std::vector<int64_t>> Keys(Statement statement) {
  std::vector<int64_t> keys;
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return keys;
    keys.push_back(statement.Int(0));
  }
}

// The candidates' scores, best first.
Result<std::vector<FoundKey>> Ranked(Database& db, const Wanted& wanted,
                                     const std::vector<int64_t>& keys) {
  KVLINK_ASSIGN_OR_RETURN(const int64_t all, db.QueryInt("SELECT count(*) FROM documents"));
  std::vector<RankedWord> ranked_words;
  // What no document has counts against the coverage of all; so does what is merely like it.
  const double unknown = Rarity(0, all);
  double known_weight = 0, lost_weight = static_cast<double>(wanted.unknown) * unknown;
  for (const KnownWord& known : wanted.words) {
    const double rarity = known.share * Rarity(known.documents, all);
    ranked_words.push_back({known.word.forms, rarity});
    known_weight += rarity;
    if (known.share < 1) lost_weight += unknown;
  }
  const double known_share = known_weight > 0 ? known_weight / (known_weight + lost_weight) : 0;
  struct Text {
    std::string title, text, file_names;
  };
  std::vector<Text> texts;
  KVLINK_ASSIGN_OR_RETURN(
      Statement read, db.Prepare("SELECT title, text, file_names FROM search_texts WHERE key = ?"));
  for (const int64_t key : keys) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, read.Bind(1, key).Step());
    texts.emplace_back();
    if (row) {
      texts.back() = {std::string(read.Text(0)), std::string(read.Text(1)),
                      std::string(read.Text(2))};
    }
    read.Reset();
  }
  std::vector<RankedText> views;
  views.reserve(texts.size());
  for (const Text& text : texts) views.push_back({text.title, text.text, text.file_names});
  const std::vector<Rank> ranks = RankTexts(ranked_words, views);
  std::vector<FoundKey> found;
  for (size_t i = 0; i < keys.size(); ++i) {
    found.push_back({keys[i], ranks[i].score, known_share * ranks[i].coverage});
  }
  std::sort(found.begin(), found.end(), [](const FoundKey& a, const FoundKey& b) {
    return a.score != b.score ? a.score > b.score : a.key < b.key;
  });
  return found;
}

// Whether a path is the named file: all of it, or its end from a folder's name on.
bool Names(const std::string& folded_name, std::string_view path) {
  const std::string folded = text::FoldCase(path);
  return folded == folded_name ||
         (folded.ends_with(folded_name) && folded[folded.size() - folded_name.size() - 1] == '/');
}

// Fills named_sources with the sources that the question names; their last names, for the note.
Result<std::vector<std::string>> NamedSources(Database& db, std::string_view question) {
  std::vector<std::string> found;
  std::vector<std::string> names = FileNamesIn(question);
  if (names.empty()) return found;
  for (std::string& name : names) name = text::FoldCase(name);
  KVLINK_RETURN_IF_ERROR(db.Exec("DELETE FROM named_sources"));
  KVLINK_ASSIGN_OR_RETURN(Statement sources,
                          db.Prepare("SELECT key, path FROM sources ORDER BY path"));
  KVLINK_ASSIGN_OR_RETURN(Statement put, db.Prepare("INSERT INTO named_sources(key) VALUES(?)"));
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, sources.Step());
    if (!row) return found;
    const std::string_view path = sources.Text(1);
    if (std::none_of(names.begin(), names.end(),
                     [&](const std::string& name) { return Names(name, path); })) {
      continue;
    }
    KVLINK_RETURN_IF_ERROR(put.Bind(1, sources.Int(0)).Run());
    found.emplace_back(path.substr(path.rfind('/') + 1));
  }
}

constexpr char kOfNamedSql[] =
    "SELECT p.document FROM places p JOIN named_sources n ON n.key = p.source "
    "JOIN sources s ON s.key = p.source GROUP BY p.document "
    "ORDER BY min(s.path), min(p.ordinal) LIMIT ?";
// Whole files from their beginning, the one first whose text was added last; kept answers behind
// all files.
constexpr char kMostRecentSql[] =
    "SELECT p.document FROM (SELECT q.source, max(q.document) AS last, s.path LIKE 'answer:%' AS "
    "kept FROM places q JOIN sources s ON s.key = q.source GROUP BY q.source "
    "ORDER BY kept, last DESC LIMIT ?1) r JOIN places p ON p.source = r.source "
    "ORDER BY r.kept, r.last DESC, p.ordinal LIMIT ?1";

// In the order of the keys, which scores keep.
Result<FoundKeys> Unranked(Database& db, const char* sql, size_t limit, HowFound how,
                           std::string note) {
  FoundKeys found;
  found.how = how;
  found.note = std::move(note);
  KVLINK_ASSIGN_OR_RETURN(Statement statement, db.Prepare(sql));
  statement.Bind(1, static_cast<int64_t>(limit));
  KVLINK_ASSIGN_OR_RETURN(const std::vector<int64_t> keys, Keys(std::move(statement)));
  std::set<int64_t> seen;
  for (const int64_t key : keys) {
    if (seen.insert(key).second) found.keys.push_back({key, 0, 0});
  }
  return found;
}

std::string Joined(const std::vector<std::string>& names) {
  std::string joined;
  for (size_t i = 0; i < names.size() && i < 3; ++i) joined += (i == 0 ? "" : ", ") + names[i];
  return joined + (names.size() > 3 ? ", ..." : "");
}

}  // namespace

Result<FoundKeys> FindKeys(Database& db, std::string_view question, size_t limit) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> named, NamedSources(db, question));
  KVLINK_ASSIGN_OR_RETURN(Wanted wanted, WantedWords(db, question));
  FoundKeys found;
  found.note = std::move(wanted.note);
  if (!named.empty()) {
    found.how = HowFound::kFileNamed;
    found.note = "the question names " + Joined(named) + ": only its documents were looked at";
  }
  if (!wanted.words.empty()) {
    KVLINK_ASSIGN_OR_RETURN(Statement query,
                            db.Prepare(named.empty() ? kCandidatesSql : kCandidatesOfSourcesSql));
    query.BindText(1, MatchOf(wanted.words))
        .Bind(2, static_cast<int64_t>(std::max(kCandidates, 2 * limit)));
    KVLINK_ASSIGN_OR_RETURN(const std::vector<int64_t> keys, Keys(std::move(query)));
    KVLINK_ASSIGN_OR_RETURN(found.keys, Ranked(db, wanted, keys));
    size_t kept = std::min(limit, found.keys.size());
    while (kept > 0 && kept < found.keys.size() &&
           found.keys[kept].score == found.keys[kept - 1].score) {
      ++kept;
    }
    found.keys.resize(kept);
    if (!found.keys.empty()) return found;
  }
  if (!named.empty()) {
    return Unranked(db, kOfNamedSql, limit, HowFound::kFileNamed, std::move(found.note));
  }
  return Unranked(db, kMostRecentSql, limit, HowFound::kMostRecent,
                  "no document has a word of the question; these are the ones indexed last");
}

}  // namespace kvlink::retrieval
