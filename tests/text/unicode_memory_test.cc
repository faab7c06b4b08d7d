// ICU without memory: what needs it throws std::bad_alloc, and no text comes back changed.
#include <gtest/gtest.h>
#include <unicode/uclean.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "text/unicode.h"

namespace kvlink::text {
namespace {

std::atomic<bool> exhausted{false};

void* Allocate(const void*, size_t size) { return exhausted ? nullptr : std::malloc(size); }
void* Reallocate(const void*, void* memory, size_t size) {
  return exhausted ? nullptr : std::realloc(memory, size);
}
void Free(const void*, void* memory) { std::free(memory); }

TEST(UnicodeMemory, ItsEndIsThrown) {
  UErrorCode error = U_ZERO_ERROR;
  u_setMemoryFunctions(nullptr, Allocate, Reallocate, Free, &error);
  if (U_FAILURE(error)) GTEST_SKIP() << "skipped: this ICU takes no memory functions";
  std::string text, folded;
  for (int i = 0; i < 400; ++i) text += "E\u0301";
  // ICU makes its tables at first use, and stays without one that it once had no memory for.
  const size_t breaks = Breaks(text, BreakKind::kWord).size();
  EXPECT_EQ(WithoutAccents(FoldCase(text)), std::string(400, 'e'));
  exhausted = true;
  EXPECT_THROW(folded = FoldCase(text), std::bad_alloc);
  EXPECT_THROW(folded = WithoutAccents(text), std::bad_alloc);
  EXPECT_THROW((void)Breaks(text, BreakKind::kSentence), std::bad_alloc);
  exhausted = false;
  EXPECT_EQ(folded, "");
  EXPECT_EQ(WithoutAccents(text), std::string(400, 'E'));
  EXPECT_EQ(Breaks(text, BreakKind::kWord).size(), breaks);
}

}  // namespace
}  // namespace kvlink::text
