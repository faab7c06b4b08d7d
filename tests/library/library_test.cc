// The library over a tiny model: documents are listed, found, asked over, kept, pinned, forgotten.
#include "kvlink/library.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/sqlite.h"
#include "support/tiny_model.h"

namespace kvlink::library {
namespace {

class Lines : public IndexObserver {
 public:
  void OnDocument(const IndexedLine& line) override { statuses.emplace_back(Name(line.status)); }
  Status OnCost(const IndexCost& told) override {
    cost = told;
    return answer;
  }
  std::vector<std::string> statuses;
  IndexCost cost;
  Status answer;
};

class LibraryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = testing::WriteTinyModel(dir_.path(), {});
    Write("harbour.md",
          "# Harbour\n\nThe harbour of Velmora has nine cranes.\n\n# Lighthouse\n\nThe lighthouse "
          "of Velmora burns green oil.\n");
    Write("garden.txt", "The garden of Ostrin holds four hundred orchids.\n");
    Open();
  }

  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(dir_ / "notes");
    std::ofstream(dir_ / ("notes/" + name)) << text;
  }

  void Open(int64_t budget_bytes = 0, bool with_model = true) {
    library_.reset();
    LibraryOptions options;
    options.store_path = dir_ / "store";
    options.budget_bytes = budget_bytes;
    options.engine.threads = 1;
    options.find_model = [this, with_model](EngineOptions* engine) -> Status {
      if (!with_model) return Internal("the model was asked for");
      engine->model_path = model_;
      return {};
    };
    options.warn = [this](std::string_view line) { warnings_.emplace_back(line); };
    auto library = Library::Open(options);
    ASSERT_TRUE(library.ok()) << library.status().message();
    library_ = *std::move(library);
  }

  IndexReport Index(std::optional<int64_t> most_blocks = {}, Lines* lines = nullptr) {
    IndexSources sources;
    sources.paths = {dir_ / "notes"};
    sources.most_blocks = most_blocks;
    IndexReport report;
    const Status status = library_->Index(sources, &report, lines);
    EXPECT_TRUE(status.ok()) << status.message();
    return report;
  }

  int64_t Blocks() const {
    const std::string blocks = dir_ / "store/blocks";
    if (!std::filesystem::exists(blocks)) return 0;
    const std::filesystem::recursive_directory_iterator all(blocks), end;
    return std::count_if(all, end, [](const auto& entry) { return entry.is_regular_file(); });
  }

  Result<LibraryAnswer> Ask(const std::string& question, std::optional<int> top_k = 1) {
    Question asked;
    asked.request.question = question;
    asked.request.max_tokens = 2;
    asked.top_k = top_k;
    return library_->Ask(asked);
  }

  testing::TempDir dir_;
  std::string model_;
  std::vector<std::string> warnings_;
  std::unique_ptr<Library> library_;
};

TEST_F(LibraryTest, RefusesOptionsThatMeanNothing) {
  EXPECT_EQ(Library::Open({}).code(), StatusCode::kInvalidArgument);
  LibraryOptions options;
  options.store_path = dir_ / "store";
  options.budget_bytes = -1;
  EXPECT_EQ(Library::Open(options).code(), StatusCode::kInvalidArgument);
}

TEST_F(LibraryTest, IndexesOnceAndAnswersFromBlocks) {
  EXPECT_EQ(library_->Search("Velmora", 3).code(), StatusCode::kNotFound);
  Lines first;
  const IndexReport report = Index({}, &first);
  EXPECT_EQ(report.sources, 2);
  EXPECT_EQ(first.statuses, std::vector<std::string>(3, "computed"));
  EXPECT_EQ(first.cost.documents, 3);
  EXPECT_EQ(first.cost.planned, 3);
  EXPECT_GE(first.cost.bytes, 3 * 4096);
  EXPECT_EQ(Blocks(), 3);
  Lines second;
  EXPECT_EQ(Index({}, &second).unchanged, 3);
  EXPECT_EQ(second.statuses, std::vector<std::string>(3, "unchanged"));
  EXPECT_EQ(second.cost.documents, 0);
  const auto answer = Ask("How many cranes has the harbour?");
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->passages.documents.at(0).title, "Harbour");
  EXPECT_EQ(answer->answer.document_uses.at(0).status, DocumentStatus::kLinked);
  EXPECT_TRUE(answer->support.grounding.has_value());
}

TEST_F(LibraryTest, OnlyAnswersAndIndexingNeedTheModel) {
  Index();
  Open(0, /*with_model=*/false);
  EXPECT_EQ(library_->Search("Velmora", 2)->hits.size(), 2u);
  const auto named = library_->ListToChange({dir_ / "notes/harbour.md"});
  ASSERT_TRUE(named.ok()) << named.status().message();
  ASSERT_EQ(named->documents.size(), 2u);
  EXPECT_EQ(*library_->Pin(*named, true), 2);
  EXPECT_EQ(library_->Sources(*library_->List({}))->at(1).pinned, 2);
  EXPECT_EQ(library_->Show(named->documents[0].id)->title, "Harbour");
  const auto forgotten = library_->Forget(*named);
  ASSERT_TRUE(forgotten.ok()) << forgotten.status().message();
  EXPECT_EQ(forgotten->ids.size(), 2u);
  EXPECT_EQ(forgotten->blocks, 2);
  EXPECT_EQ(Blocks(), 1);
  EXPECT_EQ(library_->OpenEngine().status().message(), "the model was asked for");
}

TEST_F(LibraryTest, ABlockIsComputedAtFirstUse) {
  Lines lines;
  const IndexReport report = Index(0, &lines);
  EXPECT_EQ(lines.statuses, std::vector<std::string>(3, "listed"));
  EXPECT_EQ(report.without_block, 3);
  EXPECT_EQ(lines.cost.documents, 3);  // what all would take is said all the same
  EXPECT_EQ(lines.cost.planned, 0);
  EXPECT_EQ(Blocks(), 0);
  EXPECT_EQ(Ask("Who burns green oil?")->answer.document_uses.at(0).status,
            DocumentStatus::kComputed);
  EXPECT_EQ(Blocks(), 2);  // and the system text's
  EXPECT_EQ(Ask("Who burns green oil?")->answer.document_uses.at(0).status,
            DocumentStatus::kLinked);
  EXPECT_EQ(Index(0).without_block, 2);
  // The list knows whose block it is: nothing is rendered for it.
  auto db = Database::Open(dir_ / "store/documents.sqlite", DatabaseMode::kReadOnly);
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(*db->QueryInt("SELECT count(*) FROM blocks WHERE space <> ''"), 3);
}

TEST_F(LibraryTest, TheMostUsedGetBlocksFirstThenTheNewest) {
  Index(0);
  const auto block_of = [this](const std::string& question) {
    return Name(Ask(question)->answer.document_uses.at(0).status);
  };
  EXPECT_EQ(block_of("orchids of Ostrin"), "computed");
  std::filesystem::remove_all(dir_ / "store/blocks");
  Open();
  EXPECT_EQ(*library_->Warm(1), 1);
  EXPECT_EQ(block_of("orchids of Ostrin"), "linked");  // was used
  EXPECT_EQ(*library_->Warm(1), 1);
  EXPECT_EQ(block_of("green oil of the lighthouse"), "linked");  // listed last
  EXPECT_EQ(block_of("cranes of the harbour"), "computed");
  EXPECT_EQ(*library_->Warm(9), 0);
  // The same order for a run that computes some.
  std::filesystem::remove_all(dir_ / "store/blocks");
  Open();
  Lines lines;
  EXPECT_EQ(Index(1, &lines).computed, 1);
  EXPECT_EQ(lines.cost.planned, 1);
  EXPECT_EQ(Blocks(), 1);
}

TEST_F(LibraryTest, NothingIsThrownOutForABlockBeforehand) {
  Index(1);
  Open(Index(1).store_bytes);  // two blocks are there now, and fill it
  const IndexReport full = Index();
  EXPECT_EQ(full.without_block, 1);
  EXPECT_EQ(full.limit, IndexReport::Limit::kBudget);
  EXPECT_EQ(*library_->Warm(3), 0);
  // Who asks gets one, and the least recently used goes.
  for (const char* question : {"cranes harbour", "lighthouse oil", "orchids garden"}) {
    ASSERT_TRUE(Ask(question).ok());
  }
  EXPECT_LE(Blocks(), 2);
}

TEST_F(LibraryTest, WhoSaysNoToTheCostHasTheListAlone) {
  Lines lines;
  lines.answer = Cancelled("no");
  IndexSources sources;
  sources.paths = {dir_ / "notes"};
  IndexReport report;
  EXPECT_EQ(library_->Index(sources, &report, &lines).code(), StatusCode::kCancelled);
  EXPECT_FALSE(report.started);
  EXPECT_EQ(library_->List({})->documents.size(), 3u);
  EXPECT_EQ(Blocks(), 0);
}

TEST_F(LibraryTest, AStopEndsTheRunAndTheNextGoesOn) {
  class StopsAt : public IndexObserver {
   public:
    void OnDocument(const IndexedLine&) override { source.request_stop(); }
    std::stop_source source;
  } stops;
  IndexSources sources;
  sources.paths = {dir_ / "notes"};
  IndexReport report;
  ASSERT_TRUE(library_->Index(sources, &report, &stops, stops.source.get_token()).ok());
  EXPECT_TRUE(report.interrupted);
  EXPECT_EQ(report.computed, 1);
  EXPECT_EQ(report.left, 2);
  const IndexReport rest = Index();
  EXPECT_EQ(rest.computed, 2);
  EXPECT_EQ(rest.unchanged, 1);
}

TEST_F(LibraryTest, ATextThatChangesLosesItsBlock) {
  Index();
  Write("garden.txt", "The garden of Ostrin was sold.\n");
  Lines lines;
  const IndexReport report = Index({}, &lines);
  EXPECT_EQ(lines.statuses,
            (std::vector<std::string>{"computed", "removed", "unchanged", "unchanged"}));
  EXPECT_EQ(report.removed, 1);
  EXPECT_EQ(Blocks(), 3);
}

TEST_F(LibraryTest, AnAnswerIsKeptAsADocument) {
  Index();
  const auto kept = library_->Keep("  Nine cranes stand there. ", "Cranes");
  ASSERT_TRUE(kept.ok()) << kept.status().message();
  EXPECT_EQ(kept->document.text, "Nine cranes stand there.");
  EXPECT_EQ(kept->status, EncodeStatus::kComputed);
  EXPECT_EQ(library_->Keep("Nine cranes stand there.", "Cranes")->status, EncodeStatus::kUnchanged);
  EXPECT_EQ(library_->Keep(" \n", "Cranes").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(library_->List({"answer:" + kept->document.id})->documents.size(), 1u);
}

}  // namespace
}  // namespace kvlink::library
