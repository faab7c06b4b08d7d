// The readers' fuzz entries under seeded mutations, for a moment, in every build (fuzz/ does it for
// hours). A failure names the seed and the round.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "../../fuzz/reader_entry.h"
#include "support/made_documents.h"
#include "support/mutated.h"

namespace kvlink::retrieval {
namespace {

using testing::Mutated;

constexpr uint64_t kSeed = 20250217;

const std::string kPage =
    "<!doctype html><title>T &amp; u</title><h1 id='a'>One</h1><p>Two <b>three</b> f&ouml;ur."
    "<table><tr><th>a<th>b<tr><td>1<td>2</table><ul><li>x<li>y</ul><pre>\n a\n\n "
    "b</pre><h2>Z</h2>z";

// How many of the rounds were accepted.
template <class Make>
int Rounds(FileKind kind, int rounds, Make make) {
  std::mt19937_64 random(kSeed);
  int accepted = 0;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", round " + std::to_string(round));
    accepted += fuzz::ReadAs(kind, make(random)) ? 1 : 0;
  }
  return accepted;
}

TEST(ReaderMutation, TextsAreReadWhateverTheyHold) {
  const std::string markdown =
      "---\ntitle: x\n---\n# A *b*\n\ntext\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 "
      "|\n\n```c\nx\n\n"
      "y\n```\nTitle\n===\n<div>\n# B\n</div>\n\n> # C\n\n- d\n\n  e\n";
  const std::string rows = "a,b\n1,\"x\ny\"\n2,\"\"\"\"\n\n3,z\n";
  const std::pair<FileKind, std::string> texts[] = {
      {FileKind::kMarkdown, markdown}, {FileKind::kHtml, kPage}, {FileKind::kRows, rows}};
  constexpr int kRounds = 2000;
  for (const auto& [kind, text] : texts) {
    const auto make = [&](auto& random) { return Mutated(text, text.size(), random); };
    EXPECT_EQ(Rounds(kind, kRounds, make), kRounds);
  }
}

TEST(ReaderMutation, OfAPdfIsReadOrRefused) {
  const std::string pdf = testing::MakePdf({"The ferry leaves\nat six.", "Ten."}, "T");
  constexpr int kRounds = 600;
  const int accepted = Rounds(FileKind::kPdf, kRounds,
                              [&](auto& random) { return Mutated(pdf, pdf.size(), random); });
  EXPECT_GT(accepted, kRounds / 10);
  EXPECT_LT(accepted, kRounds);
}

// Of the file's bytes, whose sums of parts are then wrong, and of a part under right sums.
TEST(ReaderMutation, OfZipFilesIsReadOrRefused) {
  const struct {
    FileKind kind;
    testing::Parts parts;
  } files[] = {
      {FileKind::kDocx,
       testing::DocxParts(testing::DocxParagraph("One", "H2") + testing::DocxParagraph("two") +
                              "<w:tbl><w:tr><w:tc>" + testing::DocxParagraph("a") +
                              "</w:tc></w:tr></w:tbl>",
                          "T")},
      {FileKind::kOdt,
       testing::OdtParts("<text:h text:outline-level='1'>One</text:h><text:p>two<text:s/></text:p>"
                         "<table:table><table:table-row><table:table-cell><text:p>a</text:p>"
                         "</table:table-cell></table:table-row></table:table>",
                         "T")},
      {FileKind::kEpub, testing::EpubParts({kPage, "<h1>Two</h1><p>b"}, "T")},
  };
  constexpr int kRounds = 600;
  for (const auto& [kind, parts] : files) {
    const std::string zip = testing::MakeZip(parts, /*stored=*/true);
    ASSERT_TRUE(fuzz::ReadAs(kind, zip));
    const int of_bytes =
        Rounds(kind, kRounds, [&](auto& random) { return Mutated(zip, zip.size(), random); });
    EXPECT_LT(of_bytes, kRounds);
    const int of_parts = Rounds(kind, kRounds, [&](auto& random) {
      testing::Parts changed = parts;
      std::string& bytes = changed[random() % changed.size()].second;
      bytes = Mutated(bytes, bytes.size(), random);
      return testing::MakeZip(changed, /*stored=*/true);
    });
    EXPECT_GT(of_parts, kRounds / 10);
    EXPECT_LT(of_parts, kRounds);
  }
}

TEST(ReaderMutation, OfAReadersResultIsSoundOrRefused) {
  const auto html = FormatOfPath("a.html")->reader(ReadText(kPage));
  ASSERT_TRUE(html.ok());
  const std::string bytes = SerializeFileText(*html);
  std::mt19937_64 random(kSeed);
  int accepted = 0;
  constexpr int kRounds = 5000;
  for (int round = 0; round < kRounds; ++round) {
    const auto file = ParseFileText(Mutated(bytes, bytes.size(), random));
    if (!file.ok()) continue;
    ++accepted;
    for (const Section& section : SectionsOf(file->text, file->structure)) {
      ASSERT_LE(section.body.end, file->text.size());
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, kRounds);
}

}  // namespace
}  // namespace kvlink::retrieval
