#include "retrieval/document_index.h"
#include "retrieval/read_source.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/sqlite.h"
#include "support/tiny_model.h"

namespace kvlink::retrieval {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;
using testing::TempDir;

SourceFile File(const std::string& path, const std::vector<std::string>& texts,
                const std::string& title = "T") {
  SourceFile file;
  file.path = path;
  int64_t at = 0;
  for (const std::string& text : texts) {
    file.content_hash += std::to_string(text.size()) + text + title + ";";
    const auto end = at + static_cast<int64_t>(text.size());
    file.documents.push_back({DocumentId(title, text), title, text, path, at, end});
    at = end + 1;
  }
  return file;
}

Status AddAll(DocumentIndex& index, const SourceFile& file) {
  int64_t ordinal = 0;
  for (const SourceDocument& d : file.documents) {
    KVLINK_RETURN_IF_ERROR(index.Add(d, ordinal++, 7));
  }
  return {};
}

// Indexes the file and returns what nothing holds any more.
Strings Ids(const Result<std::vector<ForgottenDocument>>& gone) {
  EXPECT_TRUE(gone.ok()) << gone.status().message();
  Strings ids;
  for (const ForgottenDocument& document : *gone) ids.push_back(document.id);
  return ids;
}

Strings Put(DocumentIndex& index, const SourceFile& file) {
  const Status added = AddAll(index, file);
  EXPECT_TRUE(added.ok()) << added.message();
  return Ids(index.FinishSource(file));
}

std::unique_ptr<DocumentIndex> OpenOrDie(const std::string& path, bool read_only = false) {
  auto index = DocumentIndex::Open(path, read_only);
  EXPECT_TRUE(index.ok()) << index.status().message();
  return index.ok() ? *std::move(index) : nullptr;
}

Strings Found(DocumentIndex& index, std::string_view query, int limit = 10) {
  const auto found = index.Search(query, limit);
  EXPECT_TRUE(found.ok()) << found.status().message();
  Strings texts;
  if (found.ok() && found->how != HowFound::kMostRecent) {
    for (const SearchHit& hit : found->hits) texts.push_back(hit.document.text);
  }
  return texts;
}

class DocumentIndexTest : public ::testing::Test {
 protected:
  TempDir dir_;
  std::string path_ = dir_ / "documents.sqlite";
  std::unique_ptr<DocumentIndex> index_ = OpenOrDie(path_);
};

TEST_F(DocumentIndexTest, KnowsWhatIsUnchanged) {
  const SourceFile file = File("/a.txt", {"One.", "Two."});
  EXPECT_FALSE(*index_->IsUnchanged(file.path, file.content_hash));
  ASSERT_TRUE(AddAll(*index_, file).ok());
  EXPECT_FALSE(*index_->IsUnchanged(file.path, file.content_hash));  // not finished
  Put(*index_, file);
  EXPECT_TRUE(*index_->IsUnchanged(file.path, file.content_hash));
  EXPECT_FALSE(*index_->IsUnchanged(file.path, file.content_hash + "x"));
  EXPECT_FALSE(*index_->IsUnchanged("/b.txt", file.content_hash));
  ASSERT_TRUE(index_->Add(file.documents[0], 0, 7).ok());
  EXPECT_FALSE(*index_->IsUnchanged(file.path, file.content_hash));  // begun again
}

TEST_F(DocumentIndexTest, ReplacesWhatChanged) {
  const SourceFile old_file = File("/a.txt", {"Keep this.", "Old words."});
  const SourceFile new_file = File("/a.txt", {"Keep this.", "Fresh words."});
  EXPECT_EQ(Put(*index_, old_file), Strings{});
  ASSERT_TRUE(AddAll(*index_, new_file).ok());
  EXPECT_EQ(Found(*index_, "old"), Strings{"Old words."});  // until it is finished
  EXPECT_EQ(Ids(index_->FinishSource(new_file)), Strings{old_file.documents[1].id});
  EXPECT_EQ(Found(*index_, "old"), Strings{});
  EXPECT_EQ(Found(*index_, "fresh"), Strings{"Fresh words."});
  EXPECT_EQ(index_->Get(old_file.documents[1].id).code(), StatusCode::kNotFound);
}

TEST_F(DocumentIndexTest, AMovedDocumentKeepsOnePlace) {
  Put(*index_, File("/a.txt", {"One.", "Two.", "Three."}));
  EXPECT_EQ(Put(*index_, File("/a.txt", {"Three.", "One."})), Strings{DocumentId("T", "Two.")});
  const auto list = index_->List();
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].text, "Three.");
  EXPECT_EQ((*list)[0].begin, 0);
  EXPECT_EQ((*list)[0].end, 6);
  EXPECT_EQ((*list)[1].text, "One.");
}

TEST_F(DocumentIndexTest, ATextInTwoSourcesLivesUntilBothAreGone) {
  Put(*index_, File("/a.txt", {"Shared.", "Shared."}));
  Put(*index_, File("/b.txt", {"Shared.", "Own."}));
  EXPECT_EQ(Found(*index_, "shared"), Strings{"Shared."});
  EXPECT_EQ(index_->List()->size(), 4u);
  EXPECT_EQ(index_->Get(DocumentId("T", "Shared."))->source, "/a.txt");
  EXPECT_EQ(Ids(index_->ForgetSource("/a.txt")), Strings{});
  EXPECT_EQ(*index_->Sources(), Strings{"/b.txt"});
  EXPECT_EQ(index_->Get(DocumentId("T", "Shared."))->source, "/b.txt");
  EXPECT_EQ(index_->ForgetSource("/b.txt")->size(), 2u);
  EXPECT_EQ(Found(*index_, "shared own"), Strings{});
  EXPECT_TRUE(index_->List()->empty());
  EXPECT_EQ(Ids(index_->ForgetSource("/nowhere")), Strings{});
}

TEST_F(DocumentIndexTest, AnEmptySourceIsRemembered) {
  SourceFile file = File("/a.txt", {"One."});
  Put(*index_, file);
  file.documents.clear();
  file.content_hash = "empty";
  EXPECT_EQ(Put(*index_, file), Strings{DocumentId("T", "One.")});
  EXPECT_TRUE(*index_->IsUnchanged("/a.txt", "empty"));
}

TEST_F(DocumentIndexTest, GetTakesAUniquePrefix) {
  SourceDocument document{"ab12", "T", "x", "/a.txt", 0, 1};
  ASSERT_TRUE(index_->Add(document, 0, 3).ok());
  document = {"ab34", "T", "y", "/a.txt", 2, 3};
  ASSERT_TRUE(index_->Add(document, 1, 4).ok());
  document = {"ab", "T", "z", "/a.txt", 4, 5};
  ASSERT_TRUE(index_->Add(document, 2, 5).ok());
  EXPECT_EQ(index_->Get("ab1")->text, "x");
  EXPECT_EQ(index_->Get("ab34")->tokens, 4);
  EXPECT_EQ(index_->Get("ab")->text, "z");  // exact before prefix
  EXPECT_EQ(index_->Get("ac").code(), StatusCode::kNotFound);
  EXPECT_EQ(index_->Get("").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(index_->Get("ab_").code(), StatusCode::kNotFound);  // no pattern
  const auto ambiguous = index_->Get("a");
  EXPECT_EQ(ambiguous.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(ambiguous.status().message().find("3 documents"), std::string::npos);
}

TEST_F(DocumentIndexTest, AnIdStandsForOneText) {
  ASSERT_TRUE(index_->Add({"ab", "T", "x", "/a.txt", 0, 1}, 0, 3).ok());
  EXPECT_TRUE(index_->Add({"ab", "T", "x", "/b.txt", 0, 1}, 0, 9).ok());
  EXPECT_EQ(index_->Get("ab")->tokens, 9);
  EXPECT_EQ(index_->Add({"ab", "T", "y", "/a.txt", 0, 1}, 1, 3).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Found(*index_, "x"), Strings{"x"});
}

TEST_F(DocumentIndexTest, RemoveAndPin) {
  const SourceFile file = File("/a.txt", {"One thing.", "Two things."});
  Put(*index_, file);
  const std::string id = file.documents[0].id;
  ASSERT_TRUE(index_->SetPinned(id.substr(0, 8), true).ok());
  EXPECT_TRUE(index_->Get(id)->pinned);
  Put(*index_, file);
  EXPECT_TRUE(index_->Get(id)->pinned);  // indexing again does not unpin
  ASSERT_TRUE(index_->SetPinned(id, false).ok());
  EXPECT_FALSE(index_->Get(id)->pinned);

  ASSERT_TRUE(index_->Remove(id).ok());
  EXPECT_EQ(index_->Remove(id).code(), StatusCode::kNotFound);
  EXPECT_EQ(index_->SetPinned(id, true).code(), StatusCode::kNotFound);
  EXPECT_EQ(Found(*index_, "thing"), Strings{"Two things."});
  EXPECT_FALSE(*index_->IsUnchanged(file.path, file.content_hash));
  Put(*index_, file);
  EXPECT_EQ(Found(*index_, "thing").size(), 2u);
}

TEST_F(DocumentIndexTest, RanksByBm25) {
  SourceFile file = File("/a.txt", {"The ferry ferry ferry sails.",
                                    "A ferry is mentioned once among many other words that are "
                                    "quite beside the point of this text.",
                                    "Nothing of the kind."});
  file.documents.push_back(
      {DocumentId("Ferry", "Sails at noon."), "Ferry", "Sails at noon.", "/a.txt", 500, 514});
  Put(*index_, file);
  EXPECT_EQ(Found(*index_, "ferry"),
            (Strings{file.documents[3].text, file.documents[0].text, file.documents[1].text}));
  EXPECT_EQ(Found(*index_, "ferry", 1), Strings{file.documents[3].text});
  EXPECT_EQ(Found(*index_, "ferry", 0), Strings{});
  EXPECT_EQ(Found(*index_, "ferry", -3), Strings{});
  const std::vector<SearchHit> hits = index_->Search("ferry", 3)->hits;
  for (size_t i = 1; i < hits.size(); ++i) EXPECT_LE(hits[i].score, hits[i - 1].score);
}

TEST_F(DocumentIndexTest, ARareWordCountsMoreThanACommonOne) {
  Strings texts;
  for (int i = 0; i < 20; ++i)
    texts.push_back("The island has harbour number " + std::to_string(i));
  texts.push_back("The lighthouse stands alone here today");
  Put(*index_, File("/a.txt", texts));
  EXPECT_EQ(Found(*index_, "Which harbour has a lighthouse?", 1), Strings{texts.back()});
}

TEST_F(DocumentIndexTest, FindsOtherFormsAndAccents) {
  Put(*index_, File("/a.txt", {"Ferries were sailing.", "Das M\u00fcnster steht.",
                               "\u041c\u043e\u0441\u043a\u0432\u0430 stands."}));
  EXPECT_EQ(Found(*index_, "ferry sails"), Strings{"Ferries were sailing."});
  EXPECT_EQ(Found(*index_, "munster"), Strings{"Das M\u00fcnster steht."});
  EXPECT_EQ(Found(*index_, "M\u00dcNSTER"), Strings{"Das M\u00fcnster steht."});
  EXPECT_EQ(Found(*index_, "\u043c\u043e\u0441\u043a\u0432\u0430").size(), 1u);
}

TEST_F(DocumentIndexTest, TiesStandByPlaceWhateverTheOrderOfIndexing) {
  Put(*index_, File("/b.txt", {"same words 1", "same words 2"}));
  Put(*index_, File("/a.txt", {"same words 3", "same words 4"}));
  const Strings expected{"same words 3", "same words 4", "same words 1", "same words 2"};
  EXPECT_EQ(Found(*index_, "same"), expected);
  for (int limit = 1; limit < 4; ++limit) {
    EXPECT_EQ(Found(*index_, "same", limit), Strings(expected.begin(), expected.begin() + limit));
  }
}

TEST_F(DocumentIndexTest, NoQueryIsSyntax) {
  Put(*index_, File("/a.txt", {"and or not near text title", "plain"}));
  for (const std::string_view query :
       {"AND OR NOT * \" ( : NEAR", "\"", "\"\"", "* *", "text:", "title : x", "NEAR(a b, 3)",
        "a AND", "NOT", "^text", "{title text}: x", "- -", "'; DROP TABLE documents; --",
        "\xff\xfe\x80", "\u201c \u201d \u2026", "(((((((((", "+ + +", "\\", "documents_fts"}) {
    EXPECT_TRUE(index_->Search(query, 5).ok()) << query;
  }
  EXPECT_EQ(Found(*index_, "NOT NEAR("), Strings{"and or not near text title"});
  EXPECT_EQ(Found(*index_, "\u201cplain\u201d?"), Strings{"plain"});
  EXPECT_EQ(Found(*index_, ""), Strings{});
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "w" + std::to_string(i) + " ";
  EXPECT_EQ(Found(*index_, "plain " + many), Strings{"plain"});
}

TEST_F(DocumentIndexTest, TakesAnyQueryAndText) {
  EXPECT_TRUE(rc::check([&] {
    const auto text = *rc::gen::arbitrary<std::string>();
    RC_ASSERT(index_->Add({DocumentId("", text), "", text, "/a.txt", 0, 1}, 0, 1).ok());
    RC_ASSERT(index_->Search(*rc::gen::arbitrary<std::string>(), 3).ok());
    RC_ASSERT(index_->Get(DocumentId("", text))->text == text);
  }));
}

// Any order of indexing, changing and forgetting leaves what a map of sources would hold, and
// reports each id once nothing holds it.
void CheckAgainstModel(const std::string& path_of_index, std::unique_ptr<DocumentIndex>& index) {
  const Strings sources = *index->Sources();
  for (const std::string& source : sources) RC_ASSERT(index->ForgetSource(source).ok());
  std::map<std::string, SourceFile> model;
  const auto ids = [&] {
    std::set<std::string> all;
    for (const auto& [path, file] : model) {
      for (const SourceDocument& d : file.documents) all.insert(d.id);
    }
    return all;
  };
  const int steps = *rc::gen::inRange(1, 8);
  for (int step = 0; step < steps; ++step) {
    const std::set<std::string> before = ids();
    const std::string path = "/" + std::to_string(*rc::gen::inRange(0, 3));
    const int kind = *rc::gen::inRange(0, 5);
    Strings orphans;
    if (kind == 0) {
      orphans = Ids(index->ForgetSource(path));
      model.erase(path);
    } else {
      Strings texts;
      for (const int n : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 6))) {
        texts.push_back("word" + std::to_string(n));
      }
      const SourceFile file = File(path, texts);
      if (kind == 1) {  // a run that was stopped on its way, over a text that is changed again
        (void)AddAll(*index, File(path, {"stopped" + std::to_string(step)}));
      }
      orphans = Put(*index, file);
      std::erase_if(orphans, [&](const std::string& id) {
        return id == DocumentId("T", "stopped" + std::to_string(step));
      });
      model[path] = file;
    }
    if (*rc::gen::inRange(0, 60) == 0) {
      index.reset();
      index = OpenOrDie(path_of_index);
    }
    const std::set<std::string> after = ids();
    Strings gone;
    for (const std::string& id : before) {
      if (!after.contains(id)) gone.push_back(id);
    }
    RC_ASSERT(orphans == gone);
    Strings listed, expected;
    const std::vector<IndexedDocument> list = *index->List();
    for (const IndexedDocument& d : list) {
      listed.push_back(d.source + " " + std::to_string(d.begin) + " " + d.text);
    }
    for (const auto& [source, file] : model) {
      for (const SourceDocument& d : file.documents) {
        expected.push_back(source + " " + std::to_string(d.begin) + " " + d.text);
      }
    }
    RC_ASSERT(listed == expected);
    for (int n = 0; n < 6; ++n) {
      const std::string word = "word" + std::to_string(n);
      RC_ASSERT(Found(*index, word).size() == (after.contains(DocumentId("T", word)) ? 1u : 0u));
    }
  }
}

TEST_F(DocumentIndexTest, HoldsWhatTheSourcesHold) {
  EXPECT_TRUE(rc::check([&] { CheckAgainstModel(path_, index_); }));
}

TEST_F(DocumentIndexTest, SurvivesReopening) {
  const SourceFile file = File("/a.txt", {"One.", "Two."});
  Put(*index_, file);
  index_.reset();
  for (const bool read_only : {true, false, true}) {
    const auto again = OpenOrDie(path_, read_only);
    EXPECT_TRUE(*again->IsUnchanged(file.path, file.content_hash));
    EXPECT_EQ(Found(*again, "two"), Strings{"Two."});
    EXPECT_EQ(again->List()->size(), 2u);
  }
}

TEST_F(DocumentIndexTest, TwoHandlesSeeEachOther) {
  const auto other = OpenOrDie(path_);
  const auto reader = OpenOrDie(path_, true);
  Put(*index_, File("/a.txt", {"From the first."}));
  Put(*other, File("/b.txt", {"From the second."}));
  EXPECT_EQ(Found(*index_, "from").size(), 2u);
  EXPECT_EQ(Found(*reader, "from").size(), 2u);
}

TEST(DocumentIndex, ManyHandlesOpenAndWriteAtOnce) {
  const TempDir dir;
  const std::string path = dir / "documents.sqlite";
  std::vector<std::thread> threads;
  std::vector<Strings> failures(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      auto index = DocumentIndex::Open(path, false);  // all of them create it
      if (!index.ok()) {
        failures[t].push_back(index.status().message());
        return;
      }
      for (int i = 0; i < 10; ++i) {
        const SourceFile file = File("/" + std::to_string(t) + "-" + std::to_string(i),
                                     {"common", "own" + std::to_string(t * 100 + i)});
        Status status = AddAll(**index, file);
        if (status.ok()) status = (*index)->FinishSource(file).status();
        if (!status.ok()) failures[t].push_back(status.message());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Strings& f : failures) EXPECT_EQ(f, Strings{});
  const auto index = OpenOrDie(path, true);
  EXPECT_EQ(index->List()->size(), 80u);
  EXPECT_EQ(index->Sources()->size(), 40u);
  EXPECT_EQ(Found(*index, "common").size(), 1u);
}

TEST_F(DocumentIndexTest, OneHandleServesManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        Put(*index_, File("/" + std::to_string(t), {"text " + std::to_string(i)}));
        EXPECT_TRUE(index_->Search("text", 2).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Found(*index_, "text"), Strings{"text 4"});
}

TEST_F(DocumentIndexTest, SurvivesAKilledWriter) {
  index_.reset();
  const SourceFile file = File("/a.txt", {"One.", "Two."});
  const pid_t child = fork();
  if (child == 0) {
    auto index = DocumentIndex::Open(path_, false);
    const bool ok = index.ok() && AddAll(**index, file).ok();
    // Half of a third change, never committed.
    auto db = Database::Open(path_, DatabaseMode::kReadWrite);
    const bool begun = db.ok() && db->Exec("BEGIN IMMEDIATE; DELETE FROM places").ok();
    _exit(ok && begun ? 0 : 1);  // no destructor runs: the log is left as it is
  }
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  ASSERT_EQ(state, 0);
  const auto again = OpenOrDie(path_);
  EXPECT_EQ(again->List()->size(), 2u);
  EXPECT_FALSE(*again->IsUnchanged(file.path, file.content_hash));
  EXPECT_EQ(Put(*again, file), Strings{});
}

TEST_F(DocumentIndexTest, ReadOnlyRefusesToWrite) {
  const SourceFile file = File("/a.txt", {"One."});
  Put(*index_, file);
  const auto reader = OpenOrDie(path_, true);
  EXPECT_EQ(reader->Add(file.documents[0], 0, 1).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(reader->FinishSource(file).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(reader->Remove(file.documents[0].id).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Found(*reader, "one"), Strings{"One."});
}

TEST(DocumentIndex, ReadOnlyCreatesNothing) {
  const TempDir dir;
  EXPECT_EQ(DocumentIndex::Open(dir / "documents.sqlite", true).code(), StatusCode::kNotFound);
  EXPECT_TRUE(fs::is_empty(dir.path()));
  std::ofstream(dir / "empty.sqlite").close();
  EXPECT_EQ(DocumentIndex::Open(dir / "empty.sqlite", true).code(), StatusCode::kNotFound);
}

// Root may write anywhere; as nobody, permissions count. Threads of the process change with it.
class AsNobody {
 public:
  AsNobody() : ok_(geteuid() != 0 || seteuid(65534) == 0) {}
  ~AsNobody() { EXPECT_EQ(seteuid(getuid()), 0); }
  bool ok() const { return ok_; }

 private:
  bool ok_;
};

TEST_F(DocumentIndexTest, ReadsInAReadOnlyFolder) {
  Put(*index_, File("/a.txt", {"One."}));
  index_.reset();  // merges the log into the file
  ASSERT_EQ(chmod(path_.c_str(), 0444), 0);
  ASSERT_EQ(chmod(dir_.path().c_str(), 0555), 0);
  {
    const AsNobody nobody;
    ASSERT_TRUE(nobody.ok());
    ASSERT_FALSE(std::ofstream(dir_ / "probe").is_open());
    const auto reader = OpenOrDie(path_, true);
    ASSERT_NE(reader, nullptr);
    EXPECT_EQ(Found(*reader, "one"), Strings{"One."});
    const auto writer = DocumentIndex::Open(path_, false);
    EXPECT_EQ(writer.code(), StatusCode::kFailedPrecondition) << writer.status().message();
  }
  ASSERT_EQ(chmod(dir_.path().c_str(), 0755), 0);
}

TEST_F(DocumentIndexTest, RefusesANewerVersionAndForeignFiles) {
  index_.reset();
  {
    auto db = Database::Open(path_, DatabaseMode::kReadWrite);
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE(db->Exec("PRAGMA user_version=99").ok());
  }
  for (const bool read_only : {false, true}) {
    const auto newer = DocumentIndex::Open(path_, read_only);
    EXPECT_EQ(newer.code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(newer.status().message().find("version 99"), std::string::npos);
  }
  {
    auto db = Database::Open(dir_ / "other.sqlite", DatabaseMode::kCreate);
    ASSERT_TRUE(db->Exec("CREATE TABLE cats(name)").ok());
  }
  const auto foreign = DocumentIndex::Open(dir_ / "other.sqlite", false);
  EXPECT_EQ(foreign.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(foreign.status().message().find("not an index"), std::string::npos);
}

TEST_F(DocumentIndexTest, SaysHowToRebuildADamagedFile) {
  std::ofstream(dir_ / "text.sqlite") << std::string(5000, 'x');
  const auto text = DocumentIndex::Open(dir_ / "text.sqlite", false);
  EXPECT_EQ(text.code(), StatusCode::kDataLoss);
  EXPECT_NE(text.status().message().find("kvlink index"), std::string::npos);

  Strings texts;
  for (int i = 0; i < 200; ++i) texts.push_back("document number " + std::to_string(i));
  Put(*index_, File("/a.txt", texts));
  index_.reset();
  // Every page but the first is overwritten: the file opens, and fails when it is asked.
  const auto size = fs::file_size(path_);
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(size - 4096, '\xee');
  }
  auto damaged = DocumentIndex::Open(path_, false);
  const Status status = damaged.ok() ? (*damaged)->List().status() : damaged.status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss) << status.message();
  EXPECT_NE(status.message().find("kvlink index"), std::string::npos);
  EXPECT_NE(status.message().find(path_), std::string::npos);
}

}  // namespace
}  // namespace kvlink::retrieval
