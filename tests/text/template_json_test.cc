// Templates as JSON: there and back, and what is refused, by name.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "text/template.h"

namespace kvlink::text {
namespace {

bool Same(const PromptTemplate& a, const PromptTemplate& b) {
  return a.name == b.name && a.system == b.system && a.default_system == b.default_system &&
         a.documents_begin == b.documents_begin && a.document == b.document &&
         a.untitled_document == b.untitled_document && a.documents_end == b.documents_end &&
         a.question == b.question && a.answer == b.answer && a.stop == b.stop &&
         a.document_prefix == b.document_prefix;
}

TEST(TemplateJson, BuiltInTemplatesComeBack) {
  for (const PromptTemplate& t : {ChatMlTemplate(), Llama3Template()}) {
    const auto read = TemplateFromJson(TemplateToJson(t));
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_TRUE(Same(*read, t)) << TemplateToJson(*read);
  }
}

RC_GTEST_PROP(TemplateJson, AnyTextComesBack, ()) {
  const auto text = [] {  // braces as text, quotes, controls; no lower case, so no placeholder
    return *rc::gen::container<std::string>(rc::gen::elementOf(std::string("{ }\"\\\n\x01<|>AZ")));
  };
  PromptTemplate t;
  t.name = text();
  t.system = text() + "{system}" + text();
  t.default_system = text() + "{anything}";
  t.documents_begin = text();
  t.document = text() + "{text}{title}{rank}";
  t.untitled_document = "{text}" + text();
  t.documents_end = text();
  t.question = text() + "{question}";
  t.answer = text();
  t.stop = {text() + "x", "\u00E9"};
  const auto read = TemplateFromJson(TemplateToJson(t));
  RC_ASSERT(read.ok());
  RC_ASSERT(Same(*read, t));
}

TEST(TemplateJson, DocumentPrefixIsOneOfThree) {
  PromptTemplate t = ChatMlTemplate();
  EXPECT_EQ(TemplateToJson(t).find("document_prefix"), std::string::npos);
  for (const char* prefix : {"head", "first"}) {
    t.document_prefix = prefix;
    const auto read = TemplateFromJson(TemplateToJson(t));
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->document_prefix, prefix);
  }
  t.document_prefix = "tail";
  const auto read = TemplateFromJson(TemplateToJson(t));
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.status().message().find("document_prefix"), std::string::npos);
}

TEST(TemplateJson, OptionalFieldsMayBeMissing) {
  const auto read = TemplateFromJson(
      R"({"name":"n","system":"s","document":"{text}","untitled_document":"{text}",
          "question":"{question}","answer":"a"})");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->documents_begin, "");
  EXPECT_EQ(read->default_system, "");
  EXPECT_TRUE(read->stop.empty());
}

TEST(TemplateJson, RefusesByName) {
  const std::string good = TemplateToJson(ChatMlTemplate());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const struct {
    std::string json;
    std::string message;
  } kCases[] = {
      {"", "not JSON at byte"},
      {"{", "not JSON at byte"},
      {good + "x", "not JSON at byte"},
      {"\xFF", "not JSON at byte"},
      {"[]", "expected a JSON object, found array"},
      {"null", "found null"},
      {std::string(20000, '['), "not JSON"},
      {with("\"name\"", "\"nom\""), "unknown field \"nom\""},
      {with("\"name\": \"chatml\",", ""), "\"name\" is missing"},
      {with("\"answer\": \"", "\"answer\": [], \"documents_end\": \""), "\"answer\""},
      {with("\"chatml\"", "7"), "\"name\": expected a string, found number"},
      {with("{system}", "{sistem}"), "unknown placeholder \"{sistem}\"; expected {system}"},
      {with("{title}", "{question}"), "unknown placeholder \"{question}\""},
      {with("{question}", "{text}"), "\"question\": unknown placeholder \"{text}\""},
      {with("{question}", "question"), "expected the placeholder {question}"},
      {with("{title}) {text}", "{title})"), "\"document\": expected the placeholder {text}"},
      {with("Document {text}", "Document {title} {text}"),
       "\"untitled_document\": unknown placeholder \"{title}\"; expected {text}, {rank}"},
      {with("assistant", "{system}"),
       "\"answer\": unknown placeholder \"{system}\"; expected none"},
      {with("\"stop\": [", "\"stop\": [7,"), "\"stop\""},
      {with("\"stop\": [", "\"stop\": [\"\","), "\"stop\""},
      {with("\"stop\": [", "\"stop\": {}, \"x\": ["), "\"stop\""},
  };
  for (const auto& c : kCases) {
    const auto read = TemplateFromJson(c.json);
    ASSERT_EQ(read.code(), StatusCode::kInvalidArgument) << c.json.substr(0, 400);
    EXPECT_NE(read.status().message().find(c.message), std::string::npos)
        << read.status().message() << " for " << c.message;
    EXPECT_EQ(read.status().message().find('\n'), std::string::npos);
  }
}

TEST(TemplateJson, WritingTextThatIsNotUtf8DoesNotThrow) {
  PromptTemplate t = ChatMlTemplate();
  t.name = "a\xFF";
  EXPECT_EQ(TemplateFromJson(TemplateToJson(t))->name, "a\uFFFD");
}

}  // namespace
}  // namespace kvlink::text
