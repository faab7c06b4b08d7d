// Which reader reads what; rows and code; files that are made to break readers.
#include "retrieval/formats.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <utility>

#include "retrieval/read_format.h"
#include "retrieval/splitter.h"
#include "support/made_documents.h"

namespace kvlink::retrieval {
namespace {

int64_t CountBytes(std::string_view text) { return static_cast<int64_t>(text.size()); }

FileKind KindOf(const std::string& path, std::string_view bytes) {
  return FormatOfBytes(path, bytes).kind;
}

Result<FileText> Read(const std::string& path, std::string_view bytes) {
  const Format& format = FormatOfBytes(path, bytes);
  KVLINK_ASSIGN_OR_RETURN(const DecodedFile decoded, DecodeFile(format, bytes));
  return ReadDecoded(format, decoded.text);
}

TEST(Formats, GoByFirstBytesThenEndings) {
  EXPECT_EQ(KindOf("a.MD", "x"), FileKind::kMarkdown);
  EXPECT_EQ(KindOf("a.tsv", ""), FileKind::kRows);
  EXPECT_EQ(KindOf("a.tar.rs", ""), FileKind::kCode);
  EXPECT_EQ(KindOf("-", "x"), FileKind::kText);
  EXPECT_EQ(KindOf("a.txt", "%PDF-1.4"), FileKind::kPdf);
  EXPECT_EQ(KindOf("-", " <!DOCTYPE HTML>"), FileKind::kHtml);
  EXPECT_EQ(KindOf("a.txt", "<html>"), FileKind::kText);  // who says that it is text is believed
  EXPECT_EQ(KindOf("-", testing::MakeZip(testing::DocxParts(""), true)), FileKind::kDocx);
  EXPECT_EQ(KindOf("-", testing::MakeZip(testing::OdtParts(""), true)), FileKind::kOdt);
  EXPECT_EQ(KindOf("-", testing::MakeZip(testing::EpubParts({}), true)), FileKind::kEpub);
  EXPECT_EQ(FormatOfPath("a.exe"), nullptr);
  EXPECT_EQ(FormatOfPath("LICENSE"), nullptr);
  EXPECT_EQ(FormatOfPath("a.c .h"), FormatOfPath("b.h"));
  EXPECT_EQ(FormatOfPath("a. "), nullptr);
}

TEST(Formats, EachEndingBelongsToOne) {
  std::set<std::string> seen;
  for (const Format& format : Formats()) {
    const std::string_view endings = format.endings;
    for (size_t at = 1; at < endings.size();) {
      const size_t end = endings.find(' ', at);
      EXPECT_TRUE(seen.insert(std::string(endings.substr(at, end - at))).second);
      at = end + 1;
    }
    EXPECT_TRUE(IsReadable(format)) << format.name;  // the tests are built with every library
  }
}

TEST(Formats, OneThatIsNotBuiltInSaysWhatItNeeds) {
  Format format = *FormatOfPath("a.pdf");
  format.reader = nullptr;
  EXPECT_FALSE(IsReadable(format));
  const Result<FileText> file = ReadDecoded(format, {});
  EXPECT_EQ(file.code(), StatusCode::kUnsupported);
  EXPECT_EQ(file.status().message(), "PDF needs a build with poppler (libpoppler-cpp-dev)");
  EXPECT_EQ(ReadableFormats(),
            "text, Markdown, HTML, PDF, DOCX, ODT, EPUB, CSV, source code, JSON Lines");
}

TEST(ReadRows, RepeatsTheHeaderAndCutsBetweenRows) {
  std::string csv = "name,note\n";
  for (int i = 0; i < 20; ++i) {
    csv += "n" + std::to_string(i) + ",\"First line. More.\nsecond \"\"line\"\"\"\n";
  }
  const auto read = Read("a.csv", csv);
  ASSERT_TRUE(read.ok()) << read.status().message();
  const auto parts = SplitText(read->text, read->structure, 150, CountBytes);
  ASSERT_GT(parts.size(), 3u);
  for (const TextPart& part : parts) {
    EXPECT_TRUE(part.text.starts_with("name,note\n")) << part.text;
    EXPECT_TRUE(part.text.ends_with("\"\"\"")) << part.text;
  }
}

TEST(ReadRows, AQuoteThatNothingClosesIsACharacter) {
  const auto read = Read("a.csv", "size\n5\" pipe\n" + std::string(3000, '\n') + "x\n");
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->structure.blocks.empty());
}

TEST(ReadSourceCode, IsCutAtLines) {
  std::string code;
  for (int i = 0; i < 30; ++i) code += "int f" + std::to_string(i) + "(); // Does. Things.\n";
  const auto read = Read("a.cc", code);
  ASSERT_TRUE(read.ok());
  for (const TextPart& part : SplitText(read->text, read->structure, 100, CountBytes)) {
    EXPECT_TRUE(part.text.starts_with("int f")) << part.text;
    EXPECT_TRUE(part.text.ends_with("Things.")) << part.text;
  }
}

TEST(ReadFormat, ComesBackFromItsProcessWhole) {
  const std::string text =
      "\xef\xbb\xbf---\ntitle: T\n---\n# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nx\n```\n\xff";
  const auto read = Read("a.md", text);
  ASSERT_TRUE(read.ok()) << read.status().message();
  const TextStructure& structure = read->structure;
  EXPECT_EQ(structure.title, "T");
  ASSERT_EQ(structure.headings.size(), 1u);
  EXPECT_EQ(structure.headings[0].title, "A");
  EXPECT_EQ(structure.tables.size(), 1u);
  EXPECT_EQ(structure.blocks.size(), 1u);
  const Place end = read->map.PlaceOf({read->text.size() - 1, read->text.size()});
  EXPECT_EQ(end.end, static_cast<int64_t>(text.size()));
}

TEST(ReadFormat, PassesOnWhatIsWrong) {
  const auto pdf = Read("x.pdf", "%PDF-1.4 and nothing");
  EXPECT_EQ(pdf.status().message(), "is a damaged PDF, or none");
  EXPECT_NE(Read("x.docx", "no").status().message().find("is a damaged ZIP"), std::string::npos);
  EXPECT_NE(Read("x.rtf", "{\\rtf1").status().message().find("is RTF"), std::string::npos);
}

std::string Repeated(std::string_view piece, size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += piece;
  return out;
}

// Read or refused, in bounded time and memory, and this process lives.
TEST(ReadFormat, SurvivesFilesMadeToBreakReaders) {
  constexpr size_t kMiB = 1 << 20;
  const std::string row = Repeated("<td>x", 2000);
  std::string reconstructed;
  for (int i = 0; i < 500; ++i) reconstructed += "<b id=" + std::to_string(i) + ">";
  const std::pair<std::string, std::string> files[] = {
      {"deep.html", Repeated("<div>", kMiB)},
      {"cells.html", "<table>" + Repeated("<tr>" + row, 4 * kMiB)},
      {"again.html", reconstructed + Repeated("<p>x", kMiB / 4)},
      {"tables.html", Repeated("<table><tr><td>", kMiB / 4)},
      {"quotes.md", Repeated("> ", kMiB / 4)},
      {"brackets.md", Repeated("[a](", kMiB / 4)},
      {"stars.md", Repeated("*a _b ", kMiB / 4)},
      {"cells.md", Repeated("|a", kMiB / 8) + "|\n" + Repeated("|-", kMiB / 8) + "|\n" +
                       Repeated("|x|\n", kMiB / 8)},
      {"cells.csv", Repeated("x,", kMiB) + "\n" + Repeated("\"", kMiB)},
      {"zeros.docx", testing::MakeZip({{"word/document.xml", std::string(32 * kMiB, '\0')}})},
      {"deep.docx", testing::MakeZip(testing::DocxParts(Repeated("<w:tbl>", kMiB)))},
      {"deep.epub", testing::MakeZip(testing::EpubParts({Repeated("<div>", kMiB / 16)}))},
  };
  for (const auto& [name, bytes] : files) {
    const auto start = std::chrono::steady_clock::now();
    const auto read = Read(name, bytes);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60)) << name;
    if (read.ok()) continue;
    EXPECT_FALSE(read.status().message().empty());
    EXPECT_EQ(read.status().message().find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace kvlink::retrieval
