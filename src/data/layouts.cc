// JSON records to examples (data/layouts.h). The only file of the room that includes nlohmann/json.
// A layout is one function from an object to an Example; what every layout asks of a field stands
// in the Node's functions, so that a fault is told the same way everywhere.
#include "data/layouts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <utility>

#include "base/bounded_json.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/quote.h"
#include "base/random.h"

namespace kvlink::data {
namespace {

using nlohmann::json;

// A value and how it is reached from its record: "paragraphs[3].title". `value` is null where the
// field is missing.
struct Node {
  const RecordPlace* place = nullptr;
  const json* value = nullptr;
  std::string name;

  bool missing() const { return value == nullptr || value->is_null(); }

  Node operator[](const char* key) const {
    Node node{place, nullptr, name.empty() ? key : name + "." + key};
    if (value == nullptr || !value->is_object()) return node;
    if (const auto found = value->find(key); found != value->end()) node.value = &*found;
    return node;
  }
  // REQUIRES: an array that long
  Node At(size_t index) const {
    return {place, &(*value)[index], name + "[" + std::to_string(index) + "]"};
  }
  size_t size() const { return value->size(); }

  std::string Found() const {
    if (value == nullptr) return "nothing";
    if (value->is_string()) {
      return value->get_ref<const std::string&>().empty()
                 ? "an empty string"
                 : "the string " + Quoted(value->get_ref<const std::string&>());
    }
    if (value->is_array()) return value->empty() ? "an empty array" : "an array";
    if (value->is_object()) return "an object";
    if (value->is_number_integer()) return "the number " + value->dump();
    return value->is_null() ? "null" : std::string("a ") + value->type_name();
  }
  Status Bad(const std::string& expected, const std::string& found) const {
    return InvalidArgument(place->path + ":" + std::to_string(place->line) + ": field \"" + name +
                           "\": " + expected + " expected, " + found + " found");
  }
  Status Bad(const std::string& expected) const { return Bad(expected, Found()); }

  Status NeedArray(const std::string& of) const {
    if (value != nullptr && value->is_array() && !value->empty()) return Status();
    return Bad("an array of " + of);
  }
};

// A NUL (written \u0000 in JSON) would end the text in much that reads it later.
std::string WithoutNul(std::string text) {
  for (size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at)) {
    text.replace(at, 1, "\xef\xbf\xbd");
  }
  return text;
}

constexpr std::string_view kSpaces = " \t\r\n";

bool IsBlank(std::string_view text) { return text.find_first_not_of(kSpaces) == text.npos; }

Result<std::string> Text(const Node& node) {
  if (node.value == nullptr || !node.value->is_string()) return node.Bad("a string");
  return WithoutNul(node.value->get<std::string>());
}

// Questions, answers, names: trimmed, for a space at the end of a question would be a token of it.
Result<std::string> FullText(const Node& node) {
  KVLINK_ASSIGN_OR_RETURN(const std::string text, Text(node));
  if (IsBlank(text)) return node.Bad("a string that is not blank");
  const size_t begin = text.find_first_not_of(kSpaces);
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

Result<std::string> TextOr(const Node& node, const std::string& otherwise) {
  if (node.missing()) return otherwise;
  return Text(node);
}

// An id may be a number. A record without one is named by its data set and its number.
Result<std::string> Id(const Node& node) {
  if (node.missing()) return node.place->dataset + "-" + std::to_string(node.place->number);
  if (node.value->is_number_integer()) return node.value->dump();
  return FullText(node);
}

Result<bool> Flag(const Node& node, bool otherwise) {
  if (node.missing()) return otherwise;
  if (!node.value->is_boolean()) return node.Bad("true or false");
  return node.value->get<bool>();
}

Status AddAnswers(const Node& node, std::vector<std::string>* answers) {
  KVLINK_RETURN_IF_ERROR(node.NeedArray("strings"));
  for (size_t i = 0; i < node.size(); ++i) {
    KVLINK_ASSIGN_OR_RETURN(std::string answer, FullText(node.At(i)));
    if (std::find(answers->begin(), answers->end(), answer) == answers->end()) {
      answers->push_back(std::move(answer));
    }
  }
  return Status();
}

// One document of a list: title and text by these keys; one of them may be blank, not both.
Status AddDocument(const Node& node, const char* title_key, const char* text_key,
                   Example* example) {
  if (!node.value->is_object()) {
    return node.Bad("an object with \"" + std::string(title_key) + "\" and \"" + text_key + "\"");
  }
  ExampleDocument document;
  KVLINK_ASSIGN_OR_RETURN(document.title, TextOr(node[title_key], ""));
  KVLINK_ASSIGN_OR_RETURN(document.text, Text(node[text_key]));
  if (IsBlank(document.title) && IsBlank(document.text)) {
    return node[text_key].Bad("a text or at least a title", "two blank strings");
  }
  example->documents.push_back(std::move(document));
  return Status();
}

Status AddGold(const Node& node, Example* example) {
  if (node.missing()) return Status();
  if (!node.value->is_array()) return node.Bad("an array of indices into the documents");
  const int64_t documents = static_cast<int64_t>(example->documents.size());
  for (size_t i = 0; i < node.size(); ++i) {
    const json& value = *node.At(i).value;
    const bool in_range = value.is_number_unsigned()
                              ? value.get<uint64_t>() < static_cast<uint64_t>(documents)
                              : value.is_number_integer() && value.get<int64_t>() >= 0 &&
                                    value.get<int64_t>() < documents;
    if (!in_range) return node.At(i).Bad("an index from 0 to " + std::to_string(documents - 1));
    const int32_t index = value.get<int32_t>();
    if (std::find(example->gold.begin(), example->gold.end(), index) == example->gold.end()) {
      example->gold.push_back(index);
    }
  }
  return Status();
}

// {"id", "dataset", "question", "answers", "documents", "gold"}
Status ReadDocuments(const Node& record, const ReadExamplesOptions& options, Example* example) {
  KVLINK_ASSIGN_OR_RETURN(example->id, Id(record["id"]));
  KVLINK_ASSIGN_OR_RETURN(example->question, FullText(record["question"]));
  KVLINK_RETURN_IF_ERROR(AddAnswers(record["answers"], &example->answers));
  const Node documents = record["documents"];
  KVLINK_RETURN_IF_ERROR(documents.NeedArray("documents"));
  for (size_t i = 0; i < documents.size(); ++i) {
    KVLINK_RETURN_IF_ERROR(AddDocument(documents.At(i), "title", "text", example));
  }
  KVLINK_RETURN_IF_ERROR(AddGold(record["gold"], example));
  const bool summary = example->dataset == "multinews" || example->dataset == "samsum";
  example->kind = options.kind.value_or(summary ? ExampleKind::kSummary : ExampleKind::kQuestion);
  return Status();
}

// lost-in-the-middle
Status ReadCtxs(const Node& record, Example* example) {
  KVLINK_ASSIGN_OR_RETURN(example->id, Id(record["id"]));
  KVLINK_ASSIGN_OR_RETURN(example->question, FullText(record["question"]));
  KVLINK_RETURN_IF_ERROR(AddAnswers(record["answers"], &example->answers));
  const Node ctxs = record["ctxs"];
  KVLINK_RETURN_IF_ERROR(ctxs.NeedArray("documents"));
  for (size_t i = 0; i < ctxs.size(); ++i) {
    KVLINK_RETURN_IF_ERROR(AddDocument(ctxs.At(i), "title", "text", example));
    KVLINK_ASSIGN_OR_RETURN(const bool gold, Flag(ctxs.At(i)["isgold"], false));
    if (gold) example->gold.push_back(static_cast<int32_t>(i));
  }
  return Status();
}

// HotpotQA's sentences bring their own spaces, some of which stand before them and a few nowhere;
// 2WikiMultiHopQA's bring none.
Result<bool> BringSpaces(const Node& context) {
  bool some = false;
  for (size_t i = 0; i < context.size(); ++i) {
    const Node pair = context.At(i);
    if (!pair.value->is_array() || pair.size() != 2) return pair.Bad("[title, [sentence, ...]]");
    const Node sentences = pair.At(1);
    if (!sentences.value->is_array()) return sentences.Bad("an array of sentences");
    for (size_t s = 0; s < sentences.size(); ++s) {
      KVLINK_ASSIGN_OR_RETURN(const std::string sentence, Text(sentences.At(s)));
      some |= s > 0 && sentence.starts_with(' ');
    }
  }
  return some;
}

// HotpotQA, 2WikiMultiHopQA
Status ReadContext(const Node& record, Example* example) {
  KVLINK_ASSIGN_OR_RETURN(example->id, Id(record[record["_id"].missing() ? "id" : "_id"]));
  KVLINK_ASSIGN_OR_RETURN(example->question, FullText(record["question"]));
  KVLINK_ASSIGN_OR_RETURN(std::string answer, FullText(record["answer"]));
  example->answers.push_back(std::move(answer));
  const Node context = record["context"];
  KVLINK_RETURN_IF_ERROR(context.NeedArray("[title, [sentence, ...]]"));
  KVLINK_ASSIGN_OR_RETURN(const bool spaces, BringSpaces(context));
  for (size_t i = 0; i < context.size(); ++i) {
    const Node pair = context.At(i);
    ExampleDocument document;
    KVLINK_ASSIGN_OR_RETURN(document.title, Text(pair.At(0)));
    for (size_t s = 0; s < pair.At(1).size(); ++s) {
      KVLINK_ASSIGN_OR_RETURN(const std::string sentence, Text(pair.At(1).At(s)));
      if (s > 0 && !spaces) document.text += ' ';
      document.text += sentence;
    }
    if (IsBlank(document.title) && IsBlank(document.text)) {
      return pair.Bad("a title or sentences", "neither");
    }
    example->documents.push_back(std::move(document));
  }
  const Node facts = record["supporting_facts"];
  if (facts.missing()) return Status();  // as in a test set
  if (!facts.value->is_array()) return facts.Bad("an array of [title, sentence]");
  std::set<std::string> titles;
  for (size_t i = 0; i < facts.size(); ++i) {
    const Node fact = facts.At(i);
    if (!fact.value->is_array() || fact.size() != 2) return fact.Bad("[title, sentence]");
    KVLINK_ASSIGN_OR_RETURN(std::string title, Text(fact.At(0)));
    titles.insert(std::move(title));
  }
  // Two documents may share a title; which of them is meant the layout does not say, so both are.
  for (size_t i = 0; i < example->documents.size(); ++i) {
    if (titles.contains(example->documents[i].title)) {
      example->gold.push_back(static_cast<int32_t>(i));
    }
  }
  return Status();
}

// MuSiQue
Status ReadParagraphs(const Node& record, Example* example) {
  KVLINK_ASSIGN_OR_RETURN(example->id, Id(record["id"]));
  KVLINK_ASSIGN_OR_RETURN(example->question, FullText(record["question"]));
  KVLINK_ASSIGN_OR_RETURN(std::string answer, FullText(record["answer"]));
  example->answers.push_back(std::move(answer));
  if (const Node aliases = record["answer_aliases"];
      !aliases.missing() && !(aliases.value->is_array() && aliases.value->empty())) {
    KVLINK_RETURN_IF_ERROR(AddAnswers(aliases, &example->answers));
  }
  const Node paragraphs = record["paragraphs"];
  KVLINK_RETURN_IF_ERROR(paragraphs.NeedArray("paragraphs"));
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    KVLINK_RETURN_IF_ERROR(AddDocument(paragraphs.At(i), "title", "paragraph_text", example));
    KVLINK_ASSIGN_OR_RETURN(const bool gold, Flag(paragraphs.At(i)["is_supporting"], false));
    if (gold) example->gold.push_back(static_cast<int32_t>(i));
  }
  return Status();
}

// {"messages": [{"role", "content"}, ..]}
Status ReadMessages(const Node& record, Example* example) {
  example->kind = ExampleKind::kChat;
  KVLINK_ASSIGN_OR_RETURN(example->id, Id(record["id"]));
  const Node messages = record["messages"];
  KVLINK_RETURN_IF_ERROR(messages.NeedArray("messages"));
  struct Turn {
    std::string user, assistant;
  };
  std::vector<Turn> turns;
  std::string last;
  for (size_t i = 0; i < messages.size(); ++i) {
    const Node message = messages.At(i);
    KVLINK_ASSIGN_OR_RETURN(const std::string role, FullText(message["role"]));
    if (role == "system") continue;
    if (role != "user" && role != "assistant") {
      return message["role"].Bad("system, user or assistant");
    }
    KVLINK_ASSIGN_OR_RETURN(const std::string content, FullText(message["content"]));
    if (role == "assistant" && turns.empty()) {
      return message["role"].Bad("a user's message before the assistant's");
    }
    if (role == "user" && last != "user") turns.emplace_back();
    // Two messages of one role after another are one turn.
    std::string& text = role == "user" ? turns.back().user : turns.back().assistant;
    text += (text.empty() ? "" : "\n") + content;
    last = role;
  }
  if (last != "assistant") {
    return messages.Bad("a last message by the assistant, the answer",
                        last.empty() ? "system messages alone" : "one by the user");
  }
  example->question = std::move(turns.back().user);
  example->answers.push_back(std::move(turns.back().assistant));
  turns.pop_back();
  for (const Turn& turn : turns) {
    example->documents.push_back({"", "User: " + turn.user + "\nAssistant: " + turn.assistant});
  }
  return Status();
}

Status ReadText(const Node& record, Example* example) {
  example->kind = ExampleKind::kText;
  KVLINK_ASSIGN_OR_RETURN(example->id, Id(record["id"]));
  KVLINK_ASSIGN_OR_RETURN(std::string text, FullText(record["text"]));
  example->answers.push_back(std::move(text));
  return Status();
}

struct SquadQuestion {
  Example example;  // without documents
  int32_t paragraph = 0;
};

// Chooses distractors and places the paragraph among them. `order` holds every paragraph's index
// and is left as it was found.
void PlaceParagraph(const std::vector<ExampleDocument>& paragraphs,
                    const ReadExamplesOptions& options, const SquadQuestion& question,
                    std::vector<int32_t>* order, Example* example) {
  const size_t wanted = static_cast<size_t>(std::max(options.squad_documents, 1)) - 1;
  Random random(options.squad_seed ^ Xxh3(AsBytes(example->id)));
  std::vector<int32_t> chosen, with_answer;
  std::vector<std::pair<size_t, size_t>> swaps;
  for (size_t i = 0; i < order->size() && chosen.size() < wanted; ++i) {
    swaps.emplace_back(i, i + random.Below(order->size() - i));
    std::swap((*order)[swaps.back().first], (*order)[swaps.back().second]);
    const int32_t candidate = (*order)[i];
    if (candidate == question.paragraph) continue;
    const std::string& text = paragraphs[candidate].text;
    const bool holds_answer =
        std::any_of(example->answers.begin(), example->answers.end(),
                    [&](const std::string& answer) { return text.find(answer) != text.npos; });
    (holds_answer ? with_answer : chosen).push_back(candidate);
  }
  for (auto swap = swaps.rbegin(); swap != swaps.rend(); ++swap) {
    std::swap((*order)[swap->first], (*order)[swap->second]);
  }
  // A file of few paragraphs may not have enough without the answer.
  with_answer.resize(std::min(with_answer.size(), wanted - std::min(wanted, chosen.size())));
  chosen.insert(chosen.end(), with_answer.begin(), with_answer.end());
  const size_t at = random.Below(chosen.size() + 1);
  chosen.insert(chosen.begin() + static_cast<ptrdiff_t>(at), question.paragraph);
  for (const int32_t index : chosen) example->documents.push_back(paragraphs[index]);
  example->gold = {static_cast<int32_t>(at)};
}

Status ReadSquadParagraph(const Node& paragraph, const Example& blank, const std::string& title,
                          std::vector<ExampleDocument>* paragraphs,
                          std::vector<SquadQuestion>* questions) {
  KVLINK_ASSIGN_OR_RETURN(std::string context, FullText(paragraph["context"]));
  paragraphs->push_back({title, std::move(context)});
  const Node qas = paragraph["qas"];
  if (qas.value == nullptr || !qas.value->is_array()) return qas.Bad("an array of questions");
  for (size_t i = 0; i < qas.size(); ++i) {
    KVLINK_ASSIGN_OR_RETURN(const bool impossible, Flag(qas.At(i)["is_impossible"], false));
    if (impossible) continue;
    SquadQuestion question{blank, static_cast<int32_t>(paragraphs->size() - 1)};
    KVLINK_ASSIGN_OR_RETURN(question.example.id, FullText(qas.At(i)["id"]));
    KVLINK_ASSIGN_OR_RETURN(question.example.question, FullText(qas.At(i)["question"]));
    const Node answers = qas.At(i)["answers"];
    KVLINK_RETURN_IF_ERROR(answers.NeedArray("{\"text\": ..}"));
    for (size_t a = 0; a < answers.size(); ++a) {
      KVLINK_ASSIGN_OR_RETURN(std::string answer, FullText(answers.At(a)["text"]));
      std::vector<std::string>& known = question.example.answers;
      if (std::find(known.begin(), known.end(), answer) == known.end()) {
        known.push_back(std::move(answer));
      }
    }
    questions->push_back(std::move(question));
  }
  return Status();
}

// SQuAD 1.1 (and what has an answer in 2.0)
Status ReadSquad(const Node& record, const Example& blank, const ReadExamplesOptions& options,
                 std::vector<Example>* examples) {
  const Node data = record["data"];
  KVLINK_RETURN_IF_ERROR(data.NeedArray("articles"));
  std::vector<ExampleDocument> paragraphs;
  std::vector<SquadQuestion> questions;
  for (size_t i = 0; i < data.size(); ++i) {
    KVLINK_ASSIGN_OR_RETURN(std::string title, TextOr(data.At(i)["title"], ""));
    std::replace(title.begin(), title.end(), '_', ' ');
    const Node list = data.At(i)["paragraphs"];
    KVLINK_RETURN_IF_ERROR(list.NeedArray("paragraphs"));
    for (size_t p = 0; p < list.size(); ++p) {
      KVLINK_RETURN_IF_ERROR(ReadSquadParagraph(list.At(p), blank, title, &paragraphs, &questions));
    }
  }
  std::vector<int32_t> order(paragraphs.size());
  std::iota(order.begin(), order.end(), 0);
  for (SquadQuestion& question : questions) {
    if (options.limit > 0 && static_cast<int64_t>(examples->size()) >= options.limit) break;
    Example example = std::move(question.example);
    PlaceParagraph(paragraphs, options, question, &order, &example);
    examples->push_back(std::move(example));
  }
  return Status();
}

std::string Names(const json& object) {
  std::string names;
  int count = 0;
  for (const auto& item : object.items()) {
    if (++count > 6) return names + ", ...";
    names += (names.empty() ? "" : ", ") + Quoted(item.key());
  }
  return names.empty() ? "no field" : names;
}

Status ReadObject(const Node& record, const ReadExamplesOptions& options,
                  std::vector<Example>* examples) {
  const json& object = *record.value;
  Example example;
  example.dataset = record.place->dataset;
  example.place = record.place->path + ":" + std::to_string(record.place->line);
  if (options.dataset.empty() && !record["dataset"].missing()) {
    KVLINK_ASSIGN_OR_RETURN(example.dataset, FullText(record["dataset"]));
  }
  Status status;
  if (object.contains("documents")) {
    status = ReadDocuments(record, options, &example);
  } else if (object.contains("ctxs")) {
    status = ReadCtxs(record, &example);
  } else if (object.contains("context")) {
    status = ReadContext(record, &example);
  } else if (object.contains("paragraphs")) {
    KVLINK_ASSIGN_OR_RETURN(const bool answerable, Flag(record["answerable"], true));
    if (!answerable) return Status();
    status = ReadParagraphs(record, &example);
  } else if (object.contains("messages")) {
    status = ReadMessages(record, &example);
  } else if (object.contains("data")) {
    return ReadSquad(record, example, options, examples);
  } else if (object.contains("text") && !object.contains("question")) {
    status = ReadText(record, &example);
  } else {
    return record["documents"].Bad(
        "this field (or ctxs, context, paragraphs, messages, data, text: what names the layout)",
        Names(object));
  }
  if (status.ok()) examples->push_back(std::move(example));
  return status;
}

// The library's own words, without its codes, its place (counted from the record) and the text
// around the fault, which may be long.
std::string Reason(const json::exception& e) {
  std::string_view what = e.what();
  for (const std::string_view before : {"] ", "syntax error while parsing "}) {
    if (const size_t at = what.find(before); at != what.npos)
      what.remove_prefix(at + before.size());
  }
  what = what.substr(0, what.find("; last read"));
  return Quoted(what.substr(0, 60));
}

}  // namespace

Status ReadRecord(const RecordPlace& place, std::string_view record,
                  const ReadExamplesOptions& options, std::vector<Example>* examples) {
  const std::string where = place.path + ":" + std::to_string(place.line) + ": ";
  if (BoundedJson(record).size() < record.size()) {
    return InvalidArgument(where + "lists and objects within each other, deeper than " +
                           std::to_string(kMaxJsonDepth));
  }
  try {
    const json value = json::parse(record);
    if (!value.is_object()) {
      return InvalidArgument(where + "a JSON object expected, " + value.type_name() + " found");
    }
    return ReadObject({&place, &value, ""}, options, examples);
  } catch (const json::exception& e) {
    return InvalidArgument(where + "a JSON object expected, found what is not JSON: " + Reason(e));
  }
}

}  // namespace kvlink::data
