#include "retrieval/markdown.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace kvlink::retrieval {
namespace {

using Titled = std::vector<std::pair<std::string, std::string>>;

Titled TitledSections(std::string_view text) {
  Titled out;
  for (const Section& s : SectionsOf(text, MarkdownStructure(text))) {
    out.emplace_back(s.title, text.substr(s.body.begin, s.body.size()));
  }
  return out;
}

TEST(MarkdownSections, OpenAtHeadings) {
  const struct {
    std::string_view text;
    Titled expected;
  } cases[] = {
      {"a\n# One\nb\n## Two\nc\n# Three\nd",
       {{"", "a"}, {"One", "b"}, {"One > Two", "c"}, {"Three", "d"}}},
      {"# A\n### Deep\nx\n## Less\ny", {{"A > Deep", "x"}, {"A > Less", "y"}}},
      {"#  Spaced   out  ##\nx", {{"Spaced out", "x"}}},
      {"   # Indented\nx", {{"Indented", "x"}}},
      {"# C# and F#\nx", {{"C# and F#", "x"}}},
      {"# CRLF\r\nx\r\n", {{"CRLF", "x"}}},
      {"Title\n=====\nx\nSub\n---\ny", {{"Title", "x\nSub\n---\ny"}}},  // two lines: a rule
      {"Title\n=====\nx\n\nSub\n---\ny", {{"Title", "x"}, {"Title > Sub", "y"}}},
      {"# A\nx\n```\n# no\n```\ny", {{"A", "x\n```\n# no\n```\ny"}}},
      {"~~~~\n# no\n~~~\n# no\n~~~~\n# Yes\nx",
       {{"", "~~~~\n# no\n~~~\n# no\n~~~~"}, {"Yes", "x"}}},
      {"```\n# never closed\nx", {{"", "```\n# never closed\nx"}}},
      {"`` # x ``\n# A\ny", {{"", "`` # x ``"}, {"A", "y"}}},
      {"---\ntitle: x\n---\n# A\ny", {{"x > A", "y"}}},
      {"+++\ntitle = 'x y'\n# no\n+++\nz\n# x y\ny", {{"x y", "z"}, {"x y", "y"}}},
      {"---\ntitle: x\n---\n", {{"x", "---\ntitle: x\n---"}}},  // nothing else: kept
      {"<!-- a\n# no\n\n-->\n# Yes\ny", {{"", "<!-- a\n# no\n\n-->"}, {"Yes", "y"}}},
      {"<!-- one line -->\n# Yes\ny", {{"", "<!-- one line -->"}, {"Yes", "y"}}},
      {"<PRE>\n# no\n\nno\n---\n</Pre>\n# Yes\ny",
       {{"", "<PRE>\n# no\n\nno\n---\n</Pre>"}, {"Yes", "y"}}},
      {"<!--\n```\n-->\n# Yes\ny", {{"", "<!--\n```\n-->"}, {"Yes", "y"}}},
      {"```\n<!--\n```\n# Yes\ny", {{"", "```\n<!--\n```"}, {"Yes", "y"}}},
      {"<preface>\n# Yes\ny", {{"", "<preface>"}, {"Yes", "y"}}},
      {"a\n\n---\n\nb", {{"", "a\n\n---\n\nb"}}},
      {"- item\n---\nb", {{"", "- item\n---\nb"}}},
  };
  for (const auto& c : cases) EXPECT_EQ(TitledSections(c.text), c.expected) << c.text;
}

TEST(MarkdownSections, LeaveWhatIsNoHeading) {
  for (const std::string_view text :
       {"#tag", "    # code", "####### seven", "#", "##  ##", "a # b", "\t# tab"}) {
    const std::string with_text = std::string(text) + "\nx";
    ASSERT_EQ(TitledSections(with_text).size(), 1u) << text;
    EXPECT_EQ(TitledSections(with_text)[0].first, "") << text;
  }
}

TEST(MarkdownSections, ALongLineIsText) {
  const std::string text = "# " + std::string(300, 'x') + "\ny";
  EXPECT_EQ(TitledSections(text), (Titled{{"", text}}));
}

TEST(MarkdownSections, AHeadingThatNothingFollowsIsKept) {
  EXPECT_EQ(TitledSections("# Only"), (Titled{{"", "# Only"}}));
  EXPECT_EQ(TitledSections("# A\n## B\n## C\nx\n# D"),
            (Titled{{"A", "## B"}, {"A > C", "x"}, {"", "# D"}}));
}

}  // namespace
}  // namespace kvlink::retrieval
