// What DocumentIndex::Search finds, by which way, and what it says.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/sqlite.h"
#include "retrieval/document_index.h"
#include "retrieval/read_source.h"
#include "support/tiny_model.h"

namespace kvlink::retrieval {
namespace {

using Strings = std::vector<std::string>;
using testing::TempDir;

class SearchTest : public ::testing::Test {
 protected:
  void Put(const std::string& path, const Strings& texts, const std::string& title = "") {
    SourceFile file;
    file.path = path;
    file.content_hash = "hash";
    for (const std::string& text : texts) {
      file.documents.push_back({DocumentId(title, text), title, text, path, 0, 1});
      const auto ordinal = static_cast<int64_t>(file.documents.size()) - 1;
      ASSERT_TRUE(index_->Add(file.documents.back(), ordinal, 1).ok());
    }
    ASSERT_TRUE(index_->FinishSource(file).ok());
  }

  SearchResult Search(std::string_view question, int limit = 5) {
    auto found = index_->Search(question, limit);
    EXPECT_TRUE(found.ok()) << found.status().message();
    return found.ok() ? *std::move(found) : SearchResult{};
  }

  // The texts that the question's words found.
  Strings Matched(std::string_view question) {
    const SearchResult found = Search(question);
    Strings texts;
    if (found.how == HowFound::kMostRecent) return texts;
    for (const SearchHit& hit : found.hits) texts.push_back(hit.document.text);
    return texts;
  }

  TempDir dir_;
  std::string path_ = dir_ / "documents.sqlite";
  std::unique_ptr<DocumentIndex> index_ = *DocumentIndex::Open(path_, false);
};

TEST_F(SearchTest, MarksEndWordsInQuestionsAsInTexts) {
  const std::string ferry =
      "The ferry to Marram leaves at six. Its captain is Odalys Brink. The "
      "island has no cars.";
  Put("/ferry.txt", {ferry});
  for (const std::string_view question :
       {"the island's rule", "the island\u2019s rule", "captain\u2019s name", "ferry\u2013captain",
        "ferry\u2014captain", "ferry\u00a0captain", "ferry\u2192captain", "ferry\u00b7captain",
        "F\uff45rry", "\ufb01nd the fer\u00adry", "CAPTA\u0131N Odaly\u0301s"}) {
    EXPECT_EQ(Matched(question), Strings{ferry}) << question;
  }
}

TEST_F(SearchTest, ScriptsWithoutSpacesAreFound) {
  const std::string ja =
      "\u6e2f\u306e\u6e21\u3057\u8239\u306f\u6bce\u671d\u516d\u6642\u306b\u51fa\u767a\u3057\u307e"
      "\u3059\u3002\u8239\u9577\u306f\u30aa\u30c0\u30ea\u30b9\u3067\u3059\u3002";
  const std::string zh =
      "\u7801\u5934\u7684\u6e21\u8239\u6bcf\u5929\u65e9\u4e0a\u516d\u70b9\u51fa\u53d1\u3002\u8239"
      "\u957f\u53eb\u5965\u8fbe\u5229\u65af\u3002";
  const std::string th =
      "\u0e40\u0e23\u0e37\u0e2d\u0e02\u0e49\u0e32\u0e21\u0e1f\u0e32\u0e01\u0e2d\u0e2d\u0e01\u0e17"
      "\u0e38\u0e01\u0e40\u0e0a\u0e49\u0e32 "
      "\u0e01\u0e31\u0e1b\u0e15\u0e31\u0e19\u0e0a\u0e37\u0e48\u0e2d\u0e42\u0e2d\u0e14\u0e32\u0e25"
      "\u0e34\u0e2a";
  const std::string ko =
      "\ub098\ub8fb\ubc30\ub294 \ub9e4\uc77c \uc544\uce68 \uc5ec\uc12f \uc2dc\uc5d0 "
      "\ud56d\uad6c\uc5d0\uc11c \ucd9c\ubc1c\ud569\ub2c8\ub2e4.";
  Put("/texts", {ja, zh, th, ko});
  const struct {
    std::string_view question;
    const std::string& text;
  } cases[] = {
      {"\u6e21\u3057\u8239\u306f\u3044\u3064\u51fa\u767a\u3057\u307e\u3059\u304b", ja},
      {"\u8239\u9577\u306f\u8ab0\u3067\u3059\u304b\uff1f", ja},
      {"\u6e21\u3057\u8239", ja},
      {"\u6e21\u8239\u51e0\u70b9\u51fa\u53d1\uff1f", zh},
      {"\u8239\u957f", zh},
      {"\u0e01\u0e31\u0e1b\u0e15\u0e31\u0e19\u0e0a\u0e37\u0e48\u0e2d\u0e2d\u0e30\u0e44\u0e23", th},
      {"\u0e40\u0e23\u0e37\u0e2d\u0e02\u0e49\u0e32\u0e21\u0e1f\u0e32\u0e01", th},
      {"\ub098\ub8fb\ubc30\uac00 \uc5b4\ub514\uc5d0 \uc788\ub098\uc694", ko},
  };
  for (const auto& c : cases) {
    const Strings found = Matched(c.question);
    ASSERT_FALSE(found.empty()) << c.question;
    EXPECT_EQ(found[0], c.text) << c.question;
  }
}

TEST_F(SearchTest, NamesThatLookLikeCommonWordsAreFound) {
  const std::string will = "Will lives in Oru near the quarry. WHO advised boiling water.";
  const std::string tea = "Ashleaf tea is grown on terraces where it will rest and who knows.";
  Put("/a", {will, tea});
  EXPECT_EQ(Matched("Where does Will sleep?")[0], will);
  EXPECT_EQ(Matched("What did WHO recommend?")[0], will);
  EXPECT_FALSE(Matched("who is it").empty());  // nothing else is asked for
  EXPECT_EQ(Matched("who is in the quarry"), Strings{will});
}

TEST_F(SearchTest, FileNamesAndTitlesAreSearched) {
  Put("/n/lease.md", {"The rent is due on the first."});
  Put("/n/holidays.md", {"Twenty-five days a year."}, "Time off");
  Put("/n/all.jsonl", {"A line of a file of many."});
  EXPECT_EQ(Matched("what does my lease say"), Strings{"The rent is due on the first."});
  EXPECT_EQ(Matched("holiday entitlement"), Strings{"Twenty-five days a year."});
  EXPECT_EQ(Matched("time"), Strings{"Twenty-five days a year."});
  EXPECT_EQ(Matched("all jsonl"), Strings{});
  // Another file with the same text: both names lead there; one gone, one is left.
  Put("/n/contract.md", {"The rent is due on the first."});
  EXPECT_EQ(Matched("contract"), Strings{"The rent is due on the first."});
  ASSERT_TRUE(index_->ForgetSource("/n/lease.md").ok());
  EXPECT_EQ(Matched("lease"), Strings{});
  EXPECT_EQ(Matched("contract"), Strings{"The rent is due on the first."});
}

TEST_F(SearchTest, ANamedFileIsTheOnlyOneLookedAt) {
  Put("/n/lease.md", {"The rent is due.", "Pets are allowed."});
  Put("/n/other.md", {"Pets, pets, pets."});
  SearchResult found = Search("What does lease.md say about pets?");
  EXPECT_EQ(found.how, HowFound::kFileNamed);
  EXPECT_NE(found.note.find("lease.md"), std::string::npos);
  ASSERT_FALSE(found.hits.empty());
  EXPECT_EQ(found.hits[0].document.text, "Pets are allowed.");
  for (const SearchHit& hit : found.hits) EXPECT_EQ(hit.document.source, "/n/lease.md");
  EXPECT_EQ(Search("pets in nosuch.md").how, HowFound::kMatched);
}

TEST_F(SearchTest, WordsThatNoDocumentHasAreRespelled) {
  Put("/a", {"A red umbrella stands in the hall.", "The harbour was built in 1911."});
  const SearchResult found = Search("where is my umbrela");
  ASSERT_EQ(found.hits.size(), 1u);
  EXPECT_EQ(found.hits[0].document.text, "A red umbrella stands in the hall.");
  EXPECT_NE(found.note.find("umbrela"), std::string::npos);
  EXPECT_NE(found.note.find("umbrella"), std::string::npos);
  EXPECT_EQ(Matched("umbr"), Strings{"A red umbrella stands in the hall."});
  EXPECT_EQ(Matched("1912"), Strings{});  // another number is another number
  EXPECT_TRUE(Search("harbour").note.empty());
}

TEST_F(SearchTest, WhereNothingMatchesTheMostRecentAreOfferedAndSaid) {
  EXPECT_TRUE(Search("Summarise it").hits.empty());  // no documents at all
  Put("/old.txt", {"Old words."});
  Put("/new.txt", {"First part.", "Second part."});
  for (const std::string_view question : {"qqq zzz", "?!", ""}) {
    const SearchResult found = Search(question, 2);
    EXPECT_EQ(found.how, HowFound::kMostRecent);
    EXPECT_FALSE(found.note.empty());
    ASSERT_EQ(found.hits.size(), 2u) << question;
    EXPECT_EQ(found.hits[0].document.text, "First part.");
    EXPECT_EQ(found.hits[1].document.text, "Second part.");
  }
  EXPECT_EQ(Search("qqq", 5).hits.size(), 3u);
}

TEST_F(SearchTest, TheRarestWordsOfALongQuestionCount) {
  Strings texts;
  std::string common;
  for (int i = 0; i < 200; ++i) common += "word" + std::to_string(i) + " ";
  for (int i = 0; i < 5; ++i) texts.push_back(common + std::to_string(i));
  texts.emplace_back("The lighthouse.");
  Put("/a", texts);
  // The last of 201 different words; only it finds the sixth text.
  EXPECT_EQ(Search(common + " lighthouse", 6).hits.size(), 6u);
}

TEST_F(SearchTest, CoverageIsTheShareOfWhatWasAskedFor) {
  Put("/a", {"The lighthouse of Oru.", "A lighthouse.", "Tea."});
  const SearchResult found = Search("lighthouse Oru");
  ASSERT_EQ(found.hits.size(), 2u);
  EXPECT_DOUBLE_EQ(found.hits[0].coverage, 1);
  EXPECT_GT(found.hits[1].coverage, 0);
  EXPECT_LT(found.hits[1].coverage, 1);
  EXPECT_GT(found.hits[0].score, found.hits[1].score);
}

TEST_F(SearchTest, AnIndexOfAnotherAnalysisIsIndexedAgain) {
  Put("/lease.txt", {"The ferry leaves."});
  index_.reset();
  {
    auto db = Database::Open(path_, DatabaseMode::kReadWrite);
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE(db->Exec("UPDATE analysis SET version = 'another'").ok());
  }
  int opened = 0;
  for (const bool read_only : {true, false, true}) {
    auto index = DocumentIndex::Open(path_, read_only);
    ASSERT_TRUE(index.ok()) << index.status().message();
    EXPECT_EQ((*index)->notes().size(), opened++ < 2 ? 1u : 0u);
    index_ = *std::move(index);
    EXPECT_EQ(Matched("ferries"), Strings{"The ferry leaves."});
    index_.reset();
  }
}

}  // namespace
}  // namespace kvlink::retrieval
