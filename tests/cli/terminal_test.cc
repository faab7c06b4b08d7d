// What people see: text made harmless, tables that fit, what is said of long work without a
// terminal. (Tests run without a terminal; test_terminal.py has one.)
#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace kvlink::cli {
namespace {

TEST(Clean, NothingSteersATerminal) {
  EXPECT_EQ(CleanLine("a\x1b[2Jb"), "a [2Jb");
  EXPECT_EQ(CleanLine("a\u009b"
                      "2Jb"),
            "a 2Jb");                                        // C1's CSI
  EXPECT_EQ(CleanText("x\u202Egpj.exe"), "x\uFFFDgpj.exe");  // from right to left
  EXPECT_EQ(CleanText("x\u2066y\u2069"), "x\uFFFDy\uFFFD");
  EXPECT_EQ(CleanText("a\r\nb\tc\x7f"), "a \nb\tc ");
  EXPECT_EQ(CleanLine("a\r\nb\tc"), "a  b c");
  EXPECT_EQ(CleanLine("caf\xe9"), "caf\uFFFD");
  EXPECT_EQ(CleanText("\xe2\x80"), "\uFFFD");  // cut
}

TEST(Clean, WhatIsInvisibleShowsInNamesAndStaysInTexts) {
  EXPECT_EQ(CleanLine("pass\u200Bword"), "pass\uFFFDword");
  EXPECT_EQ(CleanLine("\uFEFFid"), "\uFFFDid");
  EXPECT_EQ(CleanText("\u0E01\u200B\u0E02"), "\u0E01\u200B\u0E02");  // Thai parts words by it
  for (const char* joined : {"\u06A9\u200C\u0647", "\U0001F469\u200D\U0001F33E", "\u0928\u200D"}) {
    EXPECT_EQ(CleanLine(joined), joined);
  }
}

TEST(Clean, JsonStaysTheSameJson) {
  EXPECT_EQ(CleanJson("{\"a\": \"\u009b\u202e\x7f \u00e9\"}"),
            "{\"a\": \"\\u009b\\u202e\\u007f \u00e9\"}");
}

TEST(Width, WideAndCombiningCharacters) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("\u4e2d\u6587"), 4);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1);
  EXPECT_EQ(Shorten("\u4e2d\u6587\u5b57", 4), "\u4e2d\u2026");  // a wide one is not cut in two
  EXPECT_EQ(Shorten("cafe\u0301s", 5), "cafe\u0301s");
}

TEST(Table, NoLineIsWiderThanTheTerminal) {
  const std::vector<Column> columns = {{"ID"}, {"TOKENS", true}, {"TITLE", false, true}};
  const std::vector<std::vector<std::string>> rows = {
      {"0123456789abcdef", "1,234", "\u4e2d\u6587\u5b57\u4e2d\u6587\u5b57 and a long title"},
      {"fedcba9876543210", "7", "short\x1b[2J\nline"}};
  for (const int width : {200, 60, 40, 30, 20, 10}) {
    const std::string table = FormatTable(columns, rows, width);
    int lines = 0;
    for (size_t at = 0; at < table.size(); ++lines) {
      const size_t end = table.find('\n', at);
      EXPECT_LE(DisplayWidth(table.substr(at, end - at)), width) << table;
      at = end + 1;
    }
    EXPECT_EQ(lines, 3) << table;
    EXPECT_EQ(table.find('\x1b'), table.npos);
  }
  EXPECT_NE(FormatTable(columns, rows, 40).find("\u2026"), std::string::npos);
  // Cells that shrink go first: the ids stay whole as long as there is room.
  EXPECT_NE(FormatTable(columns, rows, 40).find("0123456789abcdef"), std::string::npos);
}

class SteppedClock : public Clock {
 public:
  int64_t UnixMs() override { return 0; }
  double MonotonicMs() override { return now_ms; }
  double now_ms = 0;
};

TEST(Console, LongWorkWithoutATerminalSaysALineEveryHalfMinute) {
  SteppedClock clock;
  testing::internal::CaptureStderr();
  Console console(clock);
  for (; clock.now_ms < 95'000; clock.now_ms += 500) console.Transient("indexing\x1b 3/9");
  console.WipeTransient();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "kvlink: indexing  3/9\nkvlink: indexing  3/9\nkvlink: indexing  3/9\n");
}

}  // namespace
}  // namespace kvlink::cli
