// ReadExamples: each layout from a text of a few lines, each fault in one line that says where, and
// files of bytes that nobody meant.
#include "data/readers.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "data/gzip.h"
#include "support/memory_file.h"

namespace kvlink::data {
namespace {

using testing::Gzip;
using testing::MemoryFile;

Result<std::vector<Example>> Read(std::string_view bytes, const ReadExamplesOptions& options = {},
                                  const std::string& path = "folder/trivia.jsonl") {
  MemoryFile file(bytes);
  return ReadExamples(file, path, options);
}

std::vector<Example> MustRead(std::string_view bytes, const ReadExamplesOptions& options = {},
                              const std::string& path = "folder/trivia.jsonl") {
  auto examples = Read(bytes, options, path);
  EXPECT_TRUE(examples.ok()) << examples.status().message();
  return examples.ok() ? *std::move(examples) : std::vector<Example>(1);
}

constexpr char kTwoLines[] =
    R"({"id": "a", "dataset": "nq", "question": "Who?", "answers": ["Ada", "Ada L.", "Ada"],)"
    R"( "documents": [{"title": "T", "text": "one"}, {"title": "", "text": "two"}], "gold": [1, 1]})"
    "\n\n"
    R"({"question": "Where?", "answers": ["Ulm"], "documents": [{"text": "three"}]})"
    "\n";

TEST(Readers, DocumentsInLines) {
  const std::vector<Example> examples = MustRead(kTwoLines);
  ASSERT_EQ(examples.size(), 2u);
  const Example& a = examples[0];
  EXPECT_EQ(a.id, "a");
  EXPECT_EQ(a.dataset, "nq");
  EXPECT_EQ(a.kind, ExampleKind::kQuestion);
  EXPECT_EQ(a.question, "Who?");
  EXPECT_EQ(a.answers, (std::vector<std::string>{"Ada", "Ada L."}));
  ASSERT_EQ(a.documents.size(), 2u);
  EXPECT_EQ(a.documents[0].title, "T");
  EXPECT_EQ(a.documents[1].text, "two");
  EXPECT_EQ(a.gold, std::vector<int32_t>{1});
  EXPECT_EQ(a.place, "folder/trivia.jsonl:1");
  const Example& b = examples[1];
  EXPECT_EQ(b.id, "trivia-1");
  EXPECT_EQ(b.dataset, "trivia");
  EXPECT_EQ(b.place, "folder/trivia.jsonl:3");
  EXPECT_TRUE(b.gold.empty());
}

TEST(Readers, GzipIsKnownByItsBytesNotItsName) {
  const std::vector<Example> plain = MustRead(kTwoLines);
  const std::string packed = Gzip(kTwoLines);
  EXPECT_EQ(MustRead(packed).size(), plain.size());
  // Members one after the other are one file, and padding after them is none.
  const std::vector<Example> twice = MustRead(packed + packed + std::string(7, '\0'));
  ASSERT_EQ(twice.size(), 4u);
  EXPECT_EQ(twice[3].question, "Where?");
  EXPECT_EQ(MustRead(kTwoLines, {}, "folder/nq.jsonl.gz")[1].dataset, "nq");
}

TEST(Readers, OptionsNameKindDatasetAndLimit) {
  ReadExamplesOptions options;
  options.dataset = "mine";
  options.kind = ExampleKind::kSummary;
  options.limit = 1;
  const std::vector<Example> examples = MustRead(kTwoLines, options);
  ASSERT_EQ(examples.size(), 1u);
  EXPECT_EQ(examples[0].dataset, "mine");
  EXPECT_EQ(examples[0].kind, ExampleKind::kSummary);
}

TEST(Readers, SummariesAreKnownByTheirDataset) {
  for (const std::string dataset : {"multinews", "samsum", "squad"}) {
    const auto examples = MustRead(R"({"dataset": ")" + dataset +
                                   R"(", "question": "Sum up.", "answers": ["S"],
                                        "documents": [{"title": "", "text": "D"}], "gold": []})");
    EXPECT_EQ(examples[0].kind == ExampleKind::kSummary, dataset != "squad") << dataset;
  }
}

TEST(Readers, LostInTheMiddle) {
  const auto examples = MustRead(
      R"({"question": "q", "answers": ["x"], "ctxs": [{"title": "A", "text": "a", "hasanswer": true},
          {"title": "B", "text": "b", "isgold": true}], "nq_annotated_gold": {}})");
  EXPECT_EQ(examples[0].id, "trivia-0");
  EXPECT_EQ(examples[0].documents[1].title, "B");
  EXPECT_EQ(examples[0].gold, std::vector<int32_t>{1});
}

TEST(Readers, HotpotInAnArrayOverSeveralLines) {
  const auto examples = MustRead(R"([
    {"_id": "h1", "question": "q[1]", "answer": "yes", "type": "bridge", "level": "hard",
     "supporting_facts": [["B", 0], ["B", 1]],
     "context": [["A", ["One.", " Two (", "2)."]], ["B", ["Three."]], ["C", []]]},
    {"_id": "h2", "question": " q, \"2\"}\n", "answer": "no", "context": [["A", ["One.", "Two."]]]}
  ])");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[0].id, "h1");
  EXPECT_EQ(examples[0].documents[0].text, "One. Two (2).");
  EXPECT_EQ(examples[1].documents[0].text, "One. Two.");
  EXPECT_EQ(examples[0].documents[2].text, "");
  EXPECT_EQ(examples[0].gold, std::vector<int32_t>{1});
  EXPECT_EQ(examples[1].question, "q, \"2\"}");
}

TEST(Readers, Musique) {
  const std::string one =
      R"({"id": "m", "question": "q", "answer": "x", "answer_aliases": ["y", "x"], "answerable": true,
          "paragraphs": [{"idx": 0, "title": "A", "paragraph_text": "a", "is_supporting": false},
                         {"idx": 1, "title": "B", "paragraph_text": "b", "is_supporting": true}]})";
  const auto examples = MustRead("[" + one + "]");
  EXPECT_EQ(examples[0].answers, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(examples[0].documents[1].text, "b");
  EXPECT_EQ(examples[0].gold, std::vector<int32_t>{1});
  // What cannot be answered is left out.
  std::string other = one;
  other.replace(other.find("true"), 4, "false");
  EXPECT_EQ(MustRead("[" + other + ",\n" + one + "]").size(), 1u);
}

std::string Squad(int paragraphs) {
  std::string text = R"({"version": "1.1", "data": [{"title": "Some_Title", "paragraphs": [)";
  for (int i = 0; i < paragraphs; ++i) {
    const std::string n = std::to_string(i);
    text += (i > 0 ? ", " : "") + (R"({"context": "Paragraph number <)" + n);
    text += R"(>, as said.", "qas": [{"id": "s)" + n + R"(", "question": "Which?",)";
    text += R"("answers": [{"answer_start": 17, "text": "<)" + n + R"(>"}]}]})";
  }
  return text + "]}]}";
}

TEST(Readers, SquadTakesDistractorsFromItsFile) {
  const auto examples = MustRead(Squad(40));
  ASSERT_EQ(examples.size(), 40u);
  std::set<int32_t> places;
  for (const Example& example : examples) {
    ASSERT_EQ(example.documents.size(), 10u);
    ASSERT_EQ(example.gold.size(), 1u);
    places.insert(example.gold[0]);
    std::set<std::string> distinct;
    for (size_t i = 0; i < 10; ++i) {
      const std::string& text = example.documents[i].text;
      distinct.insert(text);
      EXPECT_EQ(example.documents[i].title, "Some Title");
      EXPECT_EQ(text.find(example.answers[0]) != text.npos, static_cast<int>(i) == example.gold[0]);
    }
    EXPECT_EQ(distinct.size(), 10u);
  }
  EXPECT_GT(places.size(), 5u);  // 40 draws of ten places
  // The same seed, the same choice; another seed, another. A limit changes no choice.
  const auto texts = [](const Example& example) {
    std::string all;
    for (const ExampleDocument& document : example.documents) all += document.text;
    return all;
  };
  ReadExamplesOptions limited;
  limited.limit = 3;
  const auto again = MustRead(Squad(40), limited);
  ASSERT_EQ(again.size(), 3u);
  EXPECT_EQ(texts(again[2]), texts(examples[2]));
  ReadExamplesOptions seeded;
  seeded.squad_seed = 2;
  EXPECT_NE(texts(MustRead(Squad(40), seeded)[2]), texts(examples[2]));
}

TEST(Readers, SquadWithFewParagraphs) {
  const auto examples = MustRead(Squad(3));
  EXPECT_EQ(examples[0].documents.size(), 3u);
  EXPECT_EQ(MustRead(Squad(1))[0].documents.size(), 1u);
  // Every paragraph holds the answer: they serve all the same.
  std::string same = Squad(3);
  for (const char digit : {'1', '2'}) {
    for (size_t at = 0; (at = same.find(std::string("<") + digit, at)) != same.npos; ++at) {
      same[at + 1] = '0';
    }
  }
  EXPECT_EQ(MustRead(same)[0].documents.size(), 3u);
}

TEST(Readers, Chats) {
  const auto examples = MustRead(
      R"({"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "u1"},
          {"role": "assistant", "content": "a1"}, {"role": "user", "content": "u2"},
          {"role": "user", "content": "u3"}, {"role": "assistant", "content": "a2"}]})");
  const Example& chat = examples[0];
  EXPECT_EQ(chat.kind, ExampleKind::kChat);
  EXPECT_EQ(chat.question, "u2\nu3");
  EXPECT_EQ(chat.answers, std::vector<std::string>{"a2"});
  ASSERT_EQ(chat.documents.size(), 1u);
  EXPECT_EQ(chat.documents[0].title, "");
  EXPECT_EQ(chat.documents[0].text, "User: u1\nAssistant: a1");
  EXPECT_TRUE(chat.gold.empty());
}

TEST(Readers, TextLinesAndPlainText) {
  const auto lines = MustRead("{\"text\": \"one\\u0000\"}\n{\"text\": \"two\"}\n");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].kind, ExampleKind::kText);
  EXPECT_EQ(lines[0].answers[0], "one\xef\xbf\xbd");
  EXPECT_EQ(lines[0].question, "");

  std::string book;
  for (int i = 0; i < 1000; ++i) book += "word" + std::to_string(i) + (i % 10 == 9 ? ".\n\n" : " ");
  const auto pieces = MustRead(book, {}, "book.txt");
  ASSERT_EQ(pieces.size(), 4u);
  EXPECT_EQ(pieces[1].kind, ExampleKind::kText);
  EXPECT_EQ(pieces[1].id, "book-1");
  for (const Example& piece : pieces) EXPECT_TRUE(piece.answers[0].ends_with('.'));
  // A bracket begins JSON, unless the name says text.
  EXPECT_EQ(MustRead("[1] First.", {}, "notes.txt.gz")[0].answers[0], "[1] First.");
  EXPECT_EQ(MustRead("\xef\xbb\xbfThe start.", {}, "notes")[0].answers[0], "The start.");
}

struct Fault {
  std::string bytes;
  std::string message;  // the whole of it, or its beginning where it ends with "..."
};

TEST(Readers, FaultsAreToldInOneLine) {
  const std::string good = R"({"question":"q","answers":["a"],"documents":[{"text":"t"}]})";
  const std::string f = "folder/trivia.jsonl";
  const Fault faults[] = {
      {"", f + ": examples expected, an empty file found"},
      {" \n \n", f + ": examples expected, an empty file found"},
      {"[]", f + ": at least one example expected, none found in 0 records"},
      {good + "\n{\"question\": \"q\", \"documents\": [{\"text\": \"t\"}]}",
       f + ":2: field \"answers\": an array of strings expected, nothing found"},
      {R"({"question":"q","answers":[],"documents":[{"text":"t"}]})",
       f + ":1: field \"answers\": an array of strings expected, an empty array found"},
      {R"({"question":"q","answers":"a","documents":[{"text":"t"}]})",
       f + ":1: field \"answers\": an array of strings expected, the string \"a\" found"},
      {"\n\n" + std::string(R"({"question":"q","answers":["a",""],"documents":[{"text":"t"}]})"),
       f + ":3: field \"answers[1]\": a string that is not blank expected, an empty string found"},
      {R"({"question":"q","answers":["a",3],"documents":[{"text":"t"}]})",
       f + ":1: field \"answers[1]\": a string expected, the number 3 found"},
      {R"({"question":" ","answers":["a"],"documents":[{"text":"t"}]})",
       f + ":1: field \"question\": a string that is not blank expected, the string \" \" found"},
      {R"({"answers":["a"],"documents":[{"text":"t"}]})",
       f + ":1: field \"question\": a string expected, nothing found"},
      {R"({"question":null,"answers":["a"],"documents":[{"text":"t"}]})",
       f + ":1: field \"question\": a string expected, null found"},
      {R"({"question":"q","answers":["a"],"documents":[]})",
       f + ":1: field \"documents\": an array of documents expected, an empty array found"},
      {R"({"question":"q","answers":["a"],"documents":{"text":"t"}})",
       f + ":1: field \"documents\": an array of documents expected, an object found"},
      {R"({"question":"q","answers":["a"],"documents":["t"]})",
       f + ":1: field \"documents[0]\": an object with \"title\" and \"text\" expected, the string "
           "\"t\" found"},
      {R"({"question":"q","answers":["a"],"documents":[{"title":"t"}]})",
       f + ":1: field \"documents[0].text\": a string expected, nothing found"},
      {R"({"question":"q","answers":["a"],"documents":[{"title":"","text":" "}]})",
       f + ":1: field \"documents[0].text\": a text or at least a title expected, two blank "
           "strings "
           "found"},
      {R"({"question":"q","answers":["a"],"documents":[{"title":7,"text":"t"}]})",
       f + ":1: field \"documents[0].title\": a string expected, the number 7 found"},
      {R"({"question":"q","answers":["a"],"documents":[{"text":"t"}],"gold":[0,1]})",
       f + ":1: field \"gold[1]\": an index from 0 to 0 expected, the number 1 found"},
      {R"({"question":"q","answers":["a"],"documents":[{"text":"t"}],"gold":[-1]})",
       f + ":1: field \"gold[0]\": an index from 0 to 0 expected, the number -1 found"},
      {R"({"question":"q","answers":["a"],"documents":[{"text":"t"}],"gold":[18446744073709551615]})",
       f + ":1: field \"gold[0]\": an index from 0 to 0 expected, the number 18446744073709551615 "
           "found"},
      {R"({"question":"q","answers":["a"],"documents":[{"text":"t"}],"gold":0})",
       f + ":1: field \"gold\": an array of indices into the documents expected, the number 0 "
           "found"},
      {R"({"question":"q","answers":["a"],"ctxs":[{"title":"t","text":"t","isgold":1}]})",
       f + ":1: field \"ctxs[0].isgold\": true or false expected, the number 1 found"},
      {R"({"question":"q","answer":"","context":[["A",["b"]]]})",
       f + ":1: field \"answer\": a string that is not blank expected, an empty string found"},
      {R"({"question":"q","answer":"a","context":[["A"]]})",
       f + ":1: field \"context[0]\": [title, [sentence, ...]] expected, an array found"},
      {R"({"question":"q","answer":"a","context":[["A",["b"]]],"supporting_facts":[["A"]]})",
       f + ":1: field \"supporting_facts[0]\": [title, sentence] expected, an array found"},
      {R"({"question":"q","answer":"a","paragraphs":[{"title":"A"}]})",
       f + ":1: field \"paragraphs[0].paragraph_text\": a string expected, nothing found"},
      {R"({"data":[{"paragraphs":[{"context":"c","qas":[{"id":"i","question":"q","answers":[]}]}]}]})",
       f + ":1: field \"data[0].paragraphs[0].qas[0].answers\": an array of {\"text\": ..} "
           "expected, "
           "an empty array found"},
      {R"({"data":[{"paragraphs":[{"context":"c","qas":[]}]}]})",
       f + ": at least one example expected, none found in 1 records"},
      {R"({"messages":[{"role":"user","content":"u"}]})",
       f + ":1: field \"messages\": a last message by the assistant, the answer expected, one by "
           "the "
           "user found"},
      {R"({"messages":[{"role":"assistant","content":"u"}]})",
       f + ":1: field \"messages[0].role\": a user's message before the assistant's expected, the "
           "string \"assistant\" found"},
      {R"({"messages":[{"role":"tool","content":"u"}]})",
       f + ":1: field \"messages[0].role\": system, user or assistant expected, the string "
           "\"tool\" "
           "found"},
      {R"({"text":""})",
       f + ":1: field \"text\": a string that is not blank expected, an empty string found"},
      {R"({"questions":"q"})", f + ":1: field \"documents\": this field (or ctxs, context, "
                                   "paragraphs, messages, data, text: "
                                   "what names the layout) expected, \"questions\" found"},
      {"{}",
       f + ":1: field \"documents\": this field (or ctxs, context, paragraphs, messages, data, "
           "text: what names the layout) expected, no field found"},
      {good + "\nnonsense\n", f + ":2: a JSON object expected, found what is not JSON: ..."},
      {good + "\n" + good.substr(0, 30) + "\n" + good,
       f + ":2: a JSON object expected, found what is not JSON: ..."},
      {"nonsense", f + ":1: a JSON object expected, found what is not JSON: ..."},
      {R"({"question":)" + std::string(99999, '[') + std::string(99999, ']') + "}",
       f + ":1: lists and objects within each other, deeper than 64"},
      {"[1]", f + ":1: a JSON object expected, number found"},
      {"[\n" + good + "\n" + good + "]", f + ":3: \",\" or \"]\" after an element of the array "
                                             "expected, \"{\"question\":\"q\",\"ans\" "
                                             "found"},
      {"[\n" + good + ",\n", f + ":3: an element of the array expected, the end of the file found"},
      {"[\n" + good,
       f + ":2: \",\" or \"]\" after an element of the array expected, the end of the "
           "file found"},
      {"[" + good + "]\n{", f + ":2: nothing after the array expected, \"{\" found"},
      {std::string(R"({"text":")") + "\xff\"}",
       f + ":1: a JSON object expected, found what is ..."},
  };
  for (const Fault& fault : faults) {
    const auto examples = Read(fault.bytes);
    ASSERT_FALSE(examples.ok()) << fault.bytes;
    EXPECT_EQ(examples.code(), StatusCode::kInvalidArgument);
    const std::string& message = examples.status().message();
    EXPECT_EQ(message.find('\n'), message.npos) << message;
    if (fault.message.ends_with("...")) {
      EXPECT_EQ(message.substr(0, fault.message.size() - 3),
                fault.message.substr(0, fault.message.size() - 3));
    } else {
      EXPECT_EQ(message, fault.message);
    }
  }
}

TEST(Readers, DamagedGzipAndBombs) {
  const std::string packed = Gzip(kTwoLines);
  for (size_t size = 2; size < packed.size(); ++size) {
    const auto examples = Read(packed.substr(0, size));
    ASSERT_FALSE(examples.ok()) << size;
    EXPECT_EQ(examples.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(
        examples.status().message().find("trivia.jsonl: whole gzip data expected, found its end"),
        std::string::npos)
        << examples.status().message();
  }
  std::string flipped = packed;
  flipped[flipped.size() / 2] ^= 0x55;
  EXPECT_EQ(Read(flipped).code(), StatusCode::kInvalidArgument);

  // 64 MiB of zeros in 64 KiB: refused at the limit, not after it.
  ReadExamplesOptions options;
  options.max_bytes = 1 << 20;
  const auto bomb = Read(Gzip(std::string(64 << 20, '\0')), options);
  ASSERT_FALSE(bomb.ok());
  EXPECT_EQ(bomb.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(bomb.status().message().find("at most 1048576 unpacked bytes expected, found more"),
            std::string::npos);
  const auto large = Read(std::string(2 << 20, 'x'), options, "x.txt");
  EXPECT_EQ(large.status().message(), "x.txt: at most 1048576 bytes expected, 2097152 found");
  EXPECT_EQ(ReadExamplesOptions().max_bytes, int64_t{4} << 30);
}

TEST(Readers, TextThatIsNoText) {
  const auto examples = Read("fine\n\x01\xfe\xff", {}, "a.txt");
  EXPECT_EQ(examples.status().message(),
            "a.txt:2: JSON or UTF-8 text expected, the bytes \"\\xfe\\xff\" found");
}

TEST(Readers, AMissingFileIsNotFound) {
  const auto examples = ReadExamples(FileSystem::Posix(), "/nowhere/at/all.jsonl", {});
  EXPECT_EQ(examples.code(), StatusCode::kNotFound);
}

// Deep nesting is refused or read, never a crash.
TEST(Readers, DeepNesting) {
  EXPECT_FALSE(Read(std::string(200000, '[')).ok());
  EXPECT_FALSE(
      Read("{\"documents\":" + std::string(200000, '[') + std::string(200000, ']') + "}").ok());
}

// Good files with bytes changed: examples that keep every promise of Example, or one line.
RC_GTEST_PROP(Readers, MutatedFilesAreReadOrRefused, ()) {
  const std::string seeds[] = {
      kTwoLines, Squad(3), R"([{"_id":"h","question":"q","answer":"a","context":[["A",["b"]]]}])",
      R"({"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]})"};
  std::string bytes = seeds[*rc::gen::inRange<size_t>(0, std::size(seeds))];
  const int changes = *rc::gen::inRange(1, 6);
  for (int i = 0; i < changes; ++i) {
    const size_t at = *rc::gen::inRange<size_t>(0, bytes.size());
    const int kind = *rc::gen::inRange(0, 3);
    if (kind == 0) bytes[at] = *rc::gen::element('{', '}', '[', ']', '"', ',', '\\', '\n', '\xff');
    if (kind == 1 && bytes.size() > 1) bytes.erase(at, *rc::gen::inRange<size_t>(1, 9));
    if (kind == 2) bytes.insert(at, bytes.substr(0, *rc::gen::inRange<size_t>(0, 9)));
    if (bytes.empty()) bytes = " ";
  }
  const auto examples = Read(bytes);
  if (!examples.ok()) {
    RC_ASSERT(examples.code() == StatusCode::kInvalidArgument);
    RC_ASSERT(examples.status().message().find('\n') == std::string::npos);
    return;
  }
  for (const Example& example : *examples) {
    RC_ASSERT(!example.id.empty());
    RC_ASSERT(!example.answers.empty());
    for (const std::string& answer : example.answers) RC_ASSERT(!answer.empty());
    for (const int32_t gold : example.gold) {
      RC_ASSERT(gold >= 0 && gold < static_cast<int32_t>(example.documents.size()));
    }
  }
}

}  // namespace
}  // namespace kvlink::data
