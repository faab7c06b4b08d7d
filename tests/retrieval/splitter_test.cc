#include "retrieval/splitter.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "retrieval/boundaries.h"
#include "retrieval/markdown.h"

namespace kvlink::retrieval {
namespace {

int64_t CountWords(std::string_view text) {
  int64_t words = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    words += !IsSpace(text[i]) && (i == 0 || IsSpace(text[i - 1]));
  }
  return words;
}
int64_t CountBytes(std::string_view text) { return static_cast<int64_t>(text.size()); }
// A byte-level BPE in the worst sense: words are cut into fours, spaces and marks count.
int64_t CountFours(std::string_view text) {
  int64_t tokens = 0;
  size_t run = 0;
  for (const char c : text) {
    const bool letter = !IsSpace(c) && c != '.' && c != ',';
    run = letter ? run + 1 : 0;
    tokens += letter ? (run % 4 == 1) : (c != ' ');
  }
  return tokens;
}
// More tokens together than apart, as no tokenizer has them: sums cannot be trusted.
int64_t CountTogether(std::string_view text) {
  const int64_t words = CountWords(text);
  return words + words * words / 20;
}

struct SplitOptions {
  int max_tokens = 200;
  bool markdown = false;
};

std::vector<TextPart> Split(std::string_view text, const SplitOptions& options,
                            const std::function<int64_t(std::string_view)>& count_tokens) {
  const TextStructure structure = options.markdown ? MarkdownStructure(text) : TextStructure();
  return SplitText(text, structure, options.max_tokens, count_tokens);
}

using Counter = int64_t (*)(std::string_view);
constexpr Counter kCounters[] = {CountWords, CountBytes, CountFours, CountTogether};

std::vector<std::string> Texts(const std::vector<TextPart>& parts) {
  std::vector<std::string> out;
  for (const TextPart& part : parts) out.push_back(part.text);
  return out;
}

using Strings = std::vector<std::string>;

std::string Words(int from, int to) {
  std::string out;
  for (int i = from; i < to; ++i) out += (out.empty() ? "w" : " w") + std::to_string(i);
  return out;
}

TEST(SplitText, LeavesWhatFits) {
  EXPECT_EQ(Texts(Split(" One. Two.\n\nThree. ", {.max_tokens = 3}, CountWords)),
            Strings{"One. Two.\n\nThree."});
  EXPECT_TRUE(Split("", {}, CountWords).empty());
  EXPECT_TRUE(Split(" \n\t\r\n", {}, CountWords).empty());
}

TEST(SplitText, PrefersParagraphsThenSentencesThenWords) {
  EXPECT_EQ(Texts(Split("a b c.\n\nd e f.", {.max_tokens = 4}, CountWords)),
            (Strings{"a b c.", "d e f."}));
  EXPECT_EQ(Texts(Split("A b c. D e f. G h.", {.max_tokens = 6}, CountWords)),
            (Strings{"A b c. D e f.", "G h."}));
  EXPECT_EQ(Texts(Split("a b c d e", {.max_tokens = 2}, CountWords)), (Strings{"a b", "c d", "e"}));
  EXPECT_EQ(Texts(Split("abcdefgh", {.max_tokens = 3}, CountBytes)), (Strings{"abc", "def", "gh"}));
}

TEST(SplitText, PacksGreedily) {
  std::string text;
  for (int i = 0; i < 10; ++i) text += Words(i * 7, i * 7 + 7) + ".\n\n";
  const std::vector<TextPart> parts = Split(text, {.max_tokens = 30}, CountWords);
  ASSERT_EQ(parts.size(), 3u);  // 28, 28, and 14 is no small rest
  EXPECT_EQ(CountWords(parts[0].text), 28);
  EXPECT_EQ(CountWords(parts[2].text), 14);
}

TEST(SplitText, SharesASmallRest) {
  // Eight sentences of five words: 40 words at most 38 would leave a document of five.
  std::string text;
  for (int i = 0; i < 8; ++i) text += "One two three four five. ";
  const std::vector<TextPart> parts = Split(text, {.max_tokens = 38}, CountWords);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(CountWords(parts[0].text), 20);
  EXPECT_EQ(CountWords(parts[1].text), 20);
}

TEST(SplitText, DoesNotCloseAPartOfAFewWordsBeforeAParagraph) {
  std::string text = "Note well:\n\n";
  for (int i = 0; i < 20; ++i) text += "One two three four five. ";
  const std::vector<TextPart> parts = Split(text, {.max_tokens = 100}, CountWords);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_GT(CountWords(parts[0].text), 25);
  EXPECT_GT(CountWords(parts[1].text), 25);
}

TEST(SplitText, NeverCrossesAHeading) {
  const std::vector<TextPart> parts =
      Split("intro\n# A\none two\n## B\nthree", {.max_tokens = 100, .markdown = true}, CountWords);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].title, "");
  EXPECT_EQ(parts[1].title, "A");
  EXPECT_EQ(parts[1].text, "one two");
  EXPECT_EQ(parts[2].title, "A > B");
  EXPECT_EQ(Split("# A\none", {.max_tokens = 100}, CountWords)[0].text, "# A\none");
}

TEST(SplitText, OneCharacterIsNeverCut) {
  EXPECT_EQ(Texts(Split("\U0001F600\u00e4", {.max_tokens = 1}, CountBytes)),
            (Strings{"\U0001F600", "\u00e4"}));
  EXPECT_EQ(Split("ab", {.max_tokens = 0}, CountBytes).size(), 2u);
  EXPECT_EQ(Split("ab", {.max_tokens = -5}, CountBytes).size(), 2u);
}

TEST(SplitText, RepeatsATablesHeader) {
  std::string text = "Fares:\n\n| Port | Fare |\n|---|---|\n";
  for (int i = 0; i < 12; ++i) text += "| Port" + std::to_string(i) + " | ten |\n";
  const std::vector<TextPart> parts = Split(text, {.max_tokens = 40, .markdown = true}, CountWords);
  ASSERT_GT(parts.size(), 1u);
  for (const TextPart& part : parts) {
    EXPECT_NE(part.text.find("| Port | Fare |\n|---|---|\n"), std::string::npos) << part.text;
    EXPECT_LE(CountWords(part.text), 40);
  }
  EXPECT_TRUE(parts[1].text.ends_with(text.substr(parts[1].begin, parts[1].end - parts[1].begin)));
  // In plain text a bar is a bar.
  EXPECT_EQ(Split(text, {.max_tokens = 40}, CountWords)[1].text.find("Fare"), std::string::npos);
}

TEST(SplitText, CutsNoClusterAndNoWordOfAScriptWithoutSpaces) {
  std::string family;
  for (int i = 0; i < 20; ++i) family += "\U0001F469\u200d\U0001F467";
  for (const TextPart& part : Split(family, {.max_tokens = 60}, CountBytes)) {
    EXPECT_TRUE(part.text.starts_with("\U0001F469") && part.text.ends_with("\U0001F467"));
  }
  // A cluster that is itself too long is cut after all: the limit is the model's.
  std::string endless = "e";
  for (int i = 0; i < 60; ++i) endless += "\u0301";
  for (const TextPart& part : Split(endless, {.max_tokens = 20}, CountBytes)) {
    EXPECT_LE(part.text.size(), 20u);
  }
}

// Texts that have everything the splitter looks at.
rc::Gen<std::string> GenText() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::weightedElement<std::string>({
          {20, "word "},
          {10, "stop. "},
          {5, "Next "},
          {4, "\n"},
          {3, "\n\n"},
          {1, "# H\n"},
          {1, "\nT\n---\n"},
          {1, "```\n"},
          {1, "- item "},
          {2, "e.g. "},
          {1, "\u4e00\u4e8c\u3002"},
          {1, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"},
          {1, "   \t  \n \n\n   "},
          {1, "\xff\xc3"},
      })),
      [](const std::vector<std::string>& pieces) {
        std::string text;
        for (const std::string& piece : pieces) text += piece;
        return text;
      });
}

void CheckSplit(std::string_view text, const SplitOptions& options, Counter count) {
  int64_t end = 0;
  const std::vector<TextPart> parts = Split(text, options, count);
  const auto space = [&](int64_t from, int64_t to) {
    return Trimmed(text, {static_cast<size_t>(from), static_cast<size_t>(to)}).empty();
  };
  for (const TextPart& part : parts) {
    RC_ASSERT(!part.text.empty());
    RC_ASSERT(part.begin >= end && part.end <= static_cast<int64_t>(text.size()));
    RC_ASSERT(part.text == text.substr(part.begin, part.end - part.begin));
    RC_ASSERT(!IsSpace(part.text.front()) && !IsSpace(part.text.back()));
    const bool one_character = part.text.size() <= 4 && count(part.text) > options.max_tokens;
    RC_ASSERT(one_character || count(part.text) <= options.max_tokens);
    if (!options.markdown) RC_ASSERT(space(end, part.begin));  // else headings stand between
    end = part.end;
  }
  if (!options.markdown) RC_ASSERT(space(end, static_cast<int64_t>(text.size())));
}

RC_GTEST_PROP(SplitText, CoversEachCharacterOnceWithinTheLimit, ()) {
  const std::string text = *GenText();
  const SplitOptions options{*rc::gen::inRange(1, 60), *rc::gen::arbitrary<bool>()};
  CheckSplit(text, options, kCounters[*rc::gen::inRange(0, 4)]);
}

RC_GTEST_PROP(SplitText, TakesAnyBytes, (const std::string& text)) {
  CheckSplit(text, {*rc::gen::inRange(1, 20), *rc::gen::arbitrary<bool>()}, CountBytes);
}

// What stands in no part's range is a heading, and headings are in titles.
RC_GTEST_PROP(SplitText, LosesNoHeading, ()) {
  std::string text;
  int marks = 0;
  for (const int kind : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 5))) {
    const std::string mark = "m" + std::to_string(marks++) + "m";
    if (kind == 0) text += "# " + mark + "\n";
    if (kind == 1) text += "## " + mark + "\n";
    if (kind == 2) text += "\n" + mark + "\n====\n";
    if (kind == 3) text += mark + " words.\n";
    if (kind == 4) text += "\n```\n# " + mark + "\n```\n";
  }
  std::string all;
  for (const TextPart& part : Split(text, {.max_tokens = 5, .markdown = true}, CountWords)) {
    all += part.title + "\n" + part.text + "\n";
  }
  for (int i = 0; i < marks; ++i) {
    RC_ASSERT(all.find("m" + std::to_string(i) + "m") != std::string::npos);
  }
}

// Bytes counted stay a small multiple of the text's, whatever its shape.
TEST(SplitText, CountsEachByteAHandfulOfTimes) {
  const auto repeat = [](std::string_view piece, size_t bytes) {
    std::string out;
    while (out.size() < bytes) out += piece;
    return out;
  };
  constexpr size_t kBytes = 1 << 16;
  const std::string shapes[] = {
      repeat("A sentence of some words stands here. ", kBytes),
      repeat("A sentence of some words stands here.\n\n", kBytes),
      repeat("word ", kBytes),
      repeat(repeat("word ", 2000) + ". Next ", kBytes),
      repeat("x", kBytes),
      repeat("\n", kBytes) + "x",
      repeat("# H\nfew words\n", kBytes),
      repeat("```\n", kBytes),
      repeat(". ", kBytes),
      repeat("a\n", kBytes),
      "a" + repeat(" ", kBytes) + "b",
      repeat("Short.\n\n" + repeat("Words that fill. ", 3000) + "\n\n", kBytes),
  };
  for (const std::string& text : shapes) {
    for (const bool markdown : {false, true}) {
      int64_t counted = 0;
      const auto parts =
          Split(text, {.max_tokens = 200, .markdown = markdown}, [&](std::string_view s) {
            counted += static_cast<int64_t>(s.size());
            return CountFours(s);
          });
      EXPECT_LT(counted, 12 * static_cast<int64_t>(text.size())) << text.substr(0, 40);
      EXPECT_FALSE(parts.empty());
    }
  }
}

}  // namespace
}  // namespace kvlink::retrieval
