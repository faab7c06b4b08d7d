#include "retrieval/evidence.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kvlink::retrieval {
namespace {

const std::vector<Passage> kPassages = {
    {"Lighthouse", "The lighthouse burns green oil. Its keeper, Maud Fennick, left in 1931."},
    {"Ferries",
     "The ferry leaves Port Selwick at 6:40 in the morning. It is orange. A ticket to "
     "Marram Island costs 4 crowns. On Sundays the ferry leaves at 9:15."},
};

std::string Sentence(std::string_view question, std::string_view answer) {
  const std::optional<Evidence> found = FindEvidence(question, answer, kPassages);
  if (!found) return "";
  EXPECT_GT(found->confidence, 0) << answer;
  EXPECT_LE(found->confidence, 1) << answer;
  return std::string(
      kPassages[found->passage].text.substr(found->begin, found->end - found->begin));
}

TEST(Evidence, TheSentenceThatHasAnswerAndQuestion) {
  const std::string morning = "The ferry leaves Port Selwick at 6:40 in the morning.";
  const struct {
    std::string_view question, answer;
    std::string expected;
  } cases[] = {
      {"When does the ferry leave in the morning?", "6:40", morning},
      // The whole sentence repeats the question; what it adds counts.
      {"When does the ferry leave in the morning?", "The ferry leaves in the morning at 6:40.",
       morning},
      {"When does the ferry leave on Sundays?", "9:15", "On Sundays the ferry leaves at 9:15."},
      {"Who was the keeper of the lighthouse?", "maud fennick",
       "Its keeper, Maud Fennick, left in 1931."},
      // Its title names what the sentence does not.
      {"What colour are the ferries?", "orange", "It is orange."},
      {"When does the ferry leave?", "7:30", ""},              // no sentence says so
      {"Who invented the trindle?", "Maud Fennick", ""},       // a sentence about something else
      {"Does the lighthouse burn oil?", "yes", ""},            // nobody writes yes
      {"When does the ferry leave?", "the ferry leaves", ""},  // says nothing
      {"When does the ferry leave?", "", ""},
      {"", "", ""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Sentence(c.question, c.answer), c.expected) << c.question << " " << c.answer;
  }
  EXPECT_FALSE(FindEvidence("who?", "Maud Fennick", {}));
}

TEST(Evidence, OfEqualSentencesTheOneOfTheLaterPassage) {
  const std::vector<Passage> twice = {{"", "The goat is white."}, {"", "The goat is white."}};
  const auto found = FindEvidence("What colour is the goat?", "white", twice);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->passage, 1u);
}

TEST(Evidence, AnyBytesAreTaken) {
  using std::string_literals::operator""s;
  const std::string bytes = "\xff\xfe The goat \x80 is white\0."s;  // a NUL too
  const std::vector<Passage> passages = {{bytes, bytes}};
  (void)FindEvidence(bytes, bytes, passages);
  (void)ShareInPassages(bytes, bytes, passages);
}

TEST(Evidence, ShareInPassages) {
  const struct {
    std::string_view question, answer;
    double expected;
  } cases[] = {
      {"Who was the keeper?", "Maud Fennick", 1},
      {"Who was the keeper?", "Maud Farrow", 0.5},
      {"Who was the keeper?", "Petra Vonnegard", 0},
      {"Who was the keeper?", "the keeper", 1},  // nothing that could be made up
      {"Was there a keeper?", "No.", 1},
      {"Who was the keeper?", "", 1},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ShareInPassages(c.question, c.answer, kPassages), c.expected) << c.answer;
  }
}

}  // namespace
}  // namespace kvlink::retrieval
