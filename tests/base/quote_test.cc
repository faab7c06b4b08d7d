#include "base/quote.h"

#include <gtest/gtest.h>

namespace kvlink {
namespace {

TEST(Quote, PrintableLines) {
  for (const char* text : {"", "plain", "caf\xc3\xa9 \xe2\x88\x92 \xf0\x9f\x8c\x8d", "\xc2\xa0"}) {
    EXPECT_TRUE(IsPrintableLine(text)) << text;
    EXPECT_EQ(PrintableLine(text), text);
  }
}

TEST(Quote, WhatSteersATerminalIsNotPrintable) {
  // Escape, newline, delete, C1's CSI (U+009B) and its last (U+009F), ill-formed and cut UTF-8.
  for (const char* text : {"a\x1b", "a\n", "a\x7f", "a\xc2\x9b", "a\xc2\x9f", "a\x9b", "a\xc2"}) {
    EXPECT_FALSE(IsPrintableLine(text)) << text;
    EXPECT_EQ(PrintableLine(text), "a?") << text;
  }
}

}  // namespace
}  // namespace kvlink
