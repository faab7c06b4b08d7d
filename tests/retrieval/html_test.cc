#include "retrieval/html.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "retrieval/html_charset.h"

namespace kvlink::retrieval {
namespace {

using Titled = std::vector<std::pair<std::string, std::string>>;

FileText Read(std::string_view html) {
  Result<FileText> file = ReadHtml(ReadText(html));
  EXPECT_TRUE(file.ok()) << file.status().message();
  return std::move(*file);
}

Titled TitledSections(std::string_view html) {
  const FileText file = Read(html);
  Titled out;
  for (const Section& s : SectionsOf(file.text, file.structure)) {
    out.emplace_back(s.title, file.text.substr(s.body.begin, s.body.size()));
  }
  return out;
}

TEST(ReadHtml, HeadingsOpenSections) {
  EXPECT_EQ(TitledSections("<!doctype html><title> The\n Ferry </title><p>One <b>two</b>, "
                           "th<i>ree</i>.<p>Four<br>five<h2>Fares &amp; <em>times</em></h2>Ten."),
            (Titled{{"The Ferry", "One two, three.\n\nFour\nfive"},
                    {"The Ferry > Fares & times", "Ten."}}));
  EXPECT_EQ(TitledSections("<h1></h1>x<h1>" + std::string(300, 'y') + "</h1>"),
            (Titled{{"", "x\n\n" + std::string(300, 'y')}}));
}

TEST(ReadHtml, LeavesOutWhatIsNoText) {
  EXPECT_EQ(Read("<body><script>a</script><style>b</style><nav>c</nav><header>d</header>"
                 "<main><header>Kept.</header><form>Also <select><option>e</select></form></main>"
                 "<p hidden>f</p><p style='display: none'>g</p><div role=navigation>h</div>"
                 "<noscript>i</noscript><svg><text>j</text></svg><!-- k --><footer>l</footer>")
                .text,
            "Kept.\n\nAlso");
}

TEST(ReadHtml, RowsOfATableAreLines) {
  const FileText file = Read(
      "<table><caption>Fares</caption><tr><th>Port<th>Fare<tr><td>O<b>ru</b><td>ten<br>euros"
      "<tr><td>Ala</table>after");
  EXPECT_EQ(file.text, "Fares\n| Port | Fare |\n| Oru | ten euros |\n| Ala |\n\nafter");
  ASSERT_EQ(file.structure.tables.size(), 1u);
  const TableHeader& table = file.structure.tables[0];
  EXPECT_EQ(file.text.substr(table.header.begin, table.header.size()), "| Port | Fare |");
  EXPECT_EQ(file.text.substr(0, table.rows_end), file.text.substr(0, file.text.find("\n\nafter")));
  // A table that lays out a page is no table.
  EXPECT_EQ(TitledSections("<table><tr><td>menu<td><h1>News</h1><p>It rains.</table>"),
            (Titled{{"", "menu"}, {"News", "It rains."}}));
}

TEST(ReadHtml, KeepsListsAndCode) {
  const FileText file =
      Read("<ul><li>a<li><a href='x'></a><li>b <p>c</ul><pre>x\n\n  <b>y</b>\nz</pre>");
  EXPECT_EQ(file.text, "- a\n- b\n\nc\n\nx\n\n  y\nz");
  ASSERT_EQ(file.structure.blocks.size(), 1u);
  EXPECT_EQ(file.text.substr(file.structure.blocks[0].begin, 4), "x\n\n ");
}

// Every word's place holds the word as it is written.
TEST(ReadHtml, PlacesAreBytesOfTheFile) {
  const std::string html =
      "\xef\xbb\xbf<p>One &amp;two thr&eacute;e <b>four</b>\r\n "
      "five\xff</p>\n<table><tr><td>six<td>seven";
  const FileText file = Read(html);
  EXPECT_EQ(file.text, "One &two thr\u00e9e four five\uFFFD\n\n| six | seven |");
  const struct {
    std::string_view word, source;
  } cases[] = {{"One", "One"},       {"&two", "&amp;two"},        {"thr\u00e9e", "thr&eacute;e"},
               {"four", "four"},     {"five\uFFFD", "five\xff"},  {"six", "six"},
               {"seven |", "seven"}, {"One &two", "One &amp;two"}};
  for (const auto& c : cases) {
    const size_t at = file.text.find(c.word);
    const Place place = file.map.PlaceOf({at, at + c.word.size()});
    EXPECT_EQ(html.substr(place.begin, place.end - place.begin), c.source);
  }
}

TEST(HtmlCharset, IsReadFromAMeta) {
  EXPECT_EQ(HtmlCharset("<html><META charset=\"Windows-1251\">"), "windows-1251");
  EXPECT_EQ(HtmlCharset("<meta name=x><meta content='text/html; charset=ISO-8859-2'/>"),
            "iso-8859-2");
  EXPECT_EQ(HtmlCharset("charset=utf-8 <meta name=a>"), "");
  EXPECT_EQ(HtmlCharset("<meta charset="), "");
}

TEST(ReadTextAs, TakesTheFilesOwnWordForIt) {
  const std::string cyrillic = "<p>\xcf\xe0\xf0\xee\xec";  // a word is too short to detect
  EXPECT_EQ(ReadTextAs(cyrillic, "windows-1251").text, "<p>\u041f\u0430\u0440\u043e\u043c");
  EXPECT_EQ(ReadTextAs("caf\xc3\xa9", "windows-1251").text, "caf\u00e9");
  EXPECT_EQ(ReadTextAs("plain", "iso-8859-1").charset, "");
  EXPECT_EQ(ReadTextAs("plain", "no such thing").text, "plain");
  EXPECT_EQ(ReadTextAs("\xff\xfex\0", "iso-8859-1").charset, ReadText("\xff\xfex\0").charset);
}

}  // namespace
}  // namespace kvlink::retrieval
