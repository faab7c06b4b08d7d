// DOCX, ODT and EPUB: what is read of them, and that ZIP files made to break readers are refused.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "retrieval/archive.h"
#include "retrieval/docx.h"
#include "retrieval/epub.h"
#include "retrieval/odt.h"
#include "retrieval/xml.h"
#include "support/made_documents.h"

namespace kvlink::retrieval {
namespace {

using testing::DocxParagraph;
using testing::DocxParts;
using testing::EpubParts;
using testing::MakeZip;
using testing::OdtParts;
using Titled = std::vector<std::pair<std::string, std::string>>;

RepairedText Bytes(std::string bytes) {
  RepairedText out;
  out.text = std::move(bytes);
  return out;
}

Titled TitledSections(const Result<FileText>& file) {
  EXPECT_TRUE(file.ok()) << file.status().message();
  Titled out;
  if (!file.ok()) return out;
  for (const Section& s : SectionsOf(file->text, file->structure)) {
    out.emplace_back(s.title, file->text.substr(s.body.begin, s.body.size()));
  }
  return out;
}

Place PlaceOf(const FileText& file, std::string_view word) {
  const size_t at = file.text.find(word);
  return file.map.PlaceOf({at, at + word.size()});
}

TEST(ReadDocx, HeadingsGoByStyle) {
  const auto file = ReadDocx(Bytes(MakeZip(DocxParts(
      DocxParagraph("Intro &amp; more.") + DocxParagraph("Fares", "Mine") +
          "<w:p><w:r><w:t>Ten </w:t></w:r><w:r><w:t xml:space='preserve'> euros</w:t><w:br/>"
          "<w:t>each.</w:t></w:r><w:del><w:r><w:t>gone</w:t></w:r></w:del></w:p>" +
          DocxParagraph("Children", "H2") + DocxParagraph("Five."),
      "The Ferry"))));
  EXPECT_EQ(TitledSections(file), (Titled{{"The Ferry", "Intro & more."},
                                          {"The Ferry > Fares", "Ten euros\neach."},
                                          {"The Ferry > Fares > Children", "Five."}}));
  EXPECT_EQ(file->map.unit, PlaceUnit::kParagraph);
  EXPECT_EQ(PlaceOf(*file, "Intro").begin, 1);
  EXPECT_EQ(PlaceOf(*file, "euros\neach").begin, 3);
  EXPECT_EQ(PlaceOf(*file, "Five").end, 6);
}

TEST(ReadDocx, TheStyleTitleIsTheTitle) {
  const auto file = ReadDocx(
      Bytes(MakeZip(DocxParts(DocxParagraph("My Title", "T") + DocxParagraph("x"), "template"))));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->structure.title, "My Title");
}

TEST(ReadDocx, TablesAndLists) {
  const auto row = [](const std::string& a, const std::string& b) {
    return "<w:tr><w:tc>" + DocxParagraph(a) + "</w:tc><w:tc>" + DocxParagraph(b) +
           "</w:tc></w:tr>";
  };
  const auto file = ReadDocx(Bytes(MakeZip(
      DocxParts("<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>item</w:t></w:r></w:p><w:tbl>" +
                row("Port", "Fare") + row("Oru", "ten") + "</w:tbl>" + DocxParagraph("after")))));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->text, "- item\n\n| Port | Fare |\n| Oru | ten |\n\nafter");
  ASSERT_EQ(file->structure.tables.size(), 1u);
}

TEST(ReadOdt, HeadingsTablesListsAndPlaces) {
  const auto file = ReadOdt(Bytes(MakeZip(OdtParts(
      "<text:p>Intro<text:note><text:p>note</text:p></text:note><text:s/>text.</text:p>"
      "<text:h text:outline-level='2'>Fares</text:h>"
      "<text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>"
      "<table:table><table:table-row><table:table-cell table:number-columns-repeated='999999999'>"
      "<text:p>Port</text:p></table:table-cell><table:table-cell/></table:table-row>"
      "<table:table-row><table:table-cell><text:p>Oru</text:p></table:table-cell>"
      "</table:table-row></table:table>",
      "The Ferry"))));
  EXPECT_EQ(TitledSections(file), (Titled{{"The Ferry", "Intro text."},
                                          {"The Ferry > Fares", "- one\n\n| Port | |\n| Oru |"}}));
  EXPECT_EQ(PlaceOf(*file, "one").begin, 3);
}

TEST(ReadEpub, PagesInReadingOrder) {
  const auto file = ReadEpub(Bytes(MakeZip(EpubParts(
      {"<h1>First</h1><p>It <a id='x'/>rains.</p><script src='x'/>", "<h1>Second</h1><p>Sun.</p>"},
      "A Book"))));
  EXPECT_EQ(TitledSections(file),
            (Titled{{"A Book > First", "It rains."}, {"A Book > Second", "Sun."}}));
  EXPECT_EQ(file->map.unit, PlaceUnit::kChapter);
  EXPECT_EQ(PlaceOf(*file, "rains").begin, 2);  // the table of contents is the first
  EXPECT_EQ(PlaceOf(*file, "Sun").begin, 3);
  EXPECT_EQ(DescribePlace(file->map.unit, file->map.PlaceOf({0, file->text.size()})),
            "chapters 2-3");
}

TEST(ReadEpub, SaysWhatIsMissingOrEncrypted) {
  testing::Parts parts = EpubParts({"<p>a</p>", "<p>b</p>"});
  std::erase_if(parts, [](const auto& part) { return part.first == "OPS/text/page 1.xhtml"; });
  const auto file = ReadEpub(Bytes(MakeZip(parts)));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->notes, std::vector<std::string>{"lacks 1 of its chapters"});
  parts.emplace_back("META-INF/encryption.xml",
                     "<encryption><CipherReference URI='OPS/text/page%200.xhtml'/></encryption>");
  EXPECT_NE(ReadEpub(Bytes(MakeZip(parts))).status().message().find("is encrypted"),
            std::string::npos);
}

TEST(ResolvePart, NeverLeadsOut) {
  EXPECT_EQ(ResolvePart("OPS/book.opf", "a%20b.xhtml#c"), "OPS/a b.xhtml");
  EXPECT_EQ(ResolvePart("OPS/book.opf", "../x/./y.xhtml"), "x/y.xhtml");
  EXPECT_EQ(ResolvePart("book.opf", "../../../etc/passwd"), "etc/passwd");
  EXPECT_EQ(ResolvePart("a/b", "%2e%2E/%"), "%");
  EXPECT_EQ(ResolvePart("", ""), "");
}

TEST(ReadDocx, RefusesWhatIsNone) {
  const struct {
    std::string bytes;
    std::string_view expected;
  } cases[] = {
      {"", "ZIP"},
      {"no zip at all", "ZIP"},
      {MakeZip({{"a.txt", "x"}}), "has no part \"word/document.xml\""},
      {MakeZip({{"word/document.xml", "<a><b></a>"}}), "is not XML at byte"},
      {MakeZip(DocxParts(DocxParagraph("x"))).substr(0, 300), "ZIP"},
  };
  for (const auto& c : cases) {
    const auto file = ReadDocx(Bytes(c.bytes));
    ASSERT_FALSE(file.ok());
    EXPECT_NE(file.status().message().find(c.expected), std::string::npos)
        << file.status().message();
    EXPECT_EQ(file.status().message().find('\n'), std::string::npos);
  }
}

TEST(ReadArchive, AZipOfZerosIsRefused) {
  const std::string zip = MakeZip({{"word/document.xml", std::string(64 << 20, '\0')}});
  ASSERT_LT(zip.size(), 1u << 20);
  const auto parts = ReadArchive(zip, [](std::string_view) { return true; });
  EXPECT_NE(parts.status().message().find("too much for its size"), std::string::npos);
  // What nobody wants is not unpacked.
  EXPECT_TRUE(ReadArchive(zip, [](std::string_view) { return false; }).ok());
}

TEST(ReadArchive, OfEqualNamesTheFirstCounts) {
  const auto parts = ReadArchive(MakeZip({{"a", "1"}, {"a", "2"}, {"../b", "3"}}),
                                 [](std::string_view) { return true; });
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(parts->at("a"), "1");
}

class Counting : public XmlVisitor {
 public:
  bool Enter(const XmlElement& element) override {
    events += "<" + std::string(element.name);
    return element.name != "skip";
  }
  void Leave(std::string_view name) override { events += ">" + std::string(name); }
  void Text(std::string_view text) override { events += text; }
  std::string events;
};

TEST(VisitXml, GivesElementsInOrder) {
  Counting visitor;
  ASSERT_TRUE(
      VisitXml("<!DOCTYPE a [<!ENTITY b 'c'>]><w:a>1<b/><skip>2<c/></skip> <d>&lt;&b;</d></w:a>",
               &visitor)
          .ok());
  EXPECT_EQ(visitor.events, "<a1<b>b<skip>skip <d<&b;>d>a");
}

TEST(VisitXml, RefusesDepthWithoutRecursion) {
  std::string deep;
  for (int i = 0; i < 200'000; ++i) deep += "<a>";
  for (int i = 0; i < 200'000; ++i) deep += "</a>";
  Counting visitor;
  EXPECT_NE(VisitXml(deep, &visitor).message().find("deeper than 512"), std::string::npos);
}

}  // namespace
}  // namespace kvlink::retrieval
