// Exceptions of nlohmann::json are off here.
#include "eval/gate_set.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace kvlink::eval {
namespace {

using nlohmann::json;

constexpr size_t kDocuments = 10;

Status Wrong(const std::string& what) { return InvalidArgument("gate set: " + what); }

bool IsText(const json& object, const char* field) {
  return object.contains(field) && object[field].is_string() &&
         !object[field].get_ref<const std::string&>().empty();
}

// Words of more than three letters, in lower case: what makes a text a plausible distractor.
std::set<std::string> LongWords(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  for (const char c : std::string(text) + " ") {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
    if (letter) {
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else {
      if (word.size() > 3) words.insert(word);
      word.clear();
    }
  }
  return words;
}

}  // namespace

Result<std::vector<data::Example>> ReadGateSet(std::string_view text) {
  const json set = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!set.is_object() || !set.contains("texts") || !set["texts"].is_array() ||
      !set.contains("questions") || !set["questions"].is_array()) {
    return Wrong("expected an object with the arrays \"texts\" and \"questions\"");
  }
  std::vector<data::ExampleDocument> texts;
  std::vector<std::set<std::string>> words;
  std::map<std::string, int32_t> places;  // by title
  for (const json& t : set["texts"]) {
    if (!t.is_object() || !IsText(t, "title") || !IsText(t, "text")) {
      return Wrong("text " + std::to_string(texts.size()) + ": expected \"title\" and \"text\"");
    }
    texts.push_back({t["title"].get<std::string>(), t["text"].get<std::string>()});
    words.push_back(LongWords(texts.back().title + " " + texts.back().text));
    places.emplace(texts.back().title, static_cast<int32_t>(texts.size()) - 1);
  }
  std::vector<data::Example> examples;
  for (const json& q : set["questions"]) {
    const std::string where = "question " + std::to_string(examples.size()) + ": ";
    if (!q.is_object() || !IsText(q, "id") || !IsText(q, "question") || !q.contains("answers") ||
        !q["answers"].is_array() || q["answers"].empty() || !q.contains("gold") ||
        !q["gold"].is_array() || q["gold"].empty()) {
      return Wrong(where + "expected \"id\", \"question\", \"answers\" and \"gold\"");
    }
    data::Example e;
    e.dataset = "gate";
    e.id = q["id"].get<std::string>();
    e.question = q["question"].get<std::string>();
    for (const json& answer : q["answers"]) {
      if (!answer.is_string()) return Wrong(where + "an answer is no text");
      e.answers.push_back(answer.get<std::string>());
    }
    std::set<std::string> asked = LongWords(e.question);
    std::vector<int32_t> chosen;
    for (const json& title : q["gold"]) {
      const auto at = title.is_string() ? places.find(title.get<std::string>()) : places.end();
      if (at == places.end()) return Wrong(where + "no text has the title " + title.dump());
      e.gold.push_back(static_cast<int32_t>(chosen.size()));
      chosen.push_back(at->second);
      const std::set<std::string> title_words = LongWords(at->first);
      asked.insert(title_words.begin(), title_words.end());
    }
    std::vector<std::pair<int64_t, int32_t>> others;  // words not shared, text
    for (size_t t = 0; t < texts.size(); ++t) {
      if (std::find(chosen.begin(), chosen.end(), static_cast<int32_t>(t)) != chosen.end())
        continue;
      const int64_t shared = std::count_if(
          asked.begin(), asked.end(), [&](const std::string& w) { return words[t].contains(w); });
      others.emplace_back(-shared, static_cast<int32_t>(t));
    }
    std::sort(others.begin(), others.end());
    for (const auto& [rank, t] : others) {
      if (chosen.size() < kDocuments) chosen.push_back(t);
    }
    for (const int32_t t : chosen) e.documents.push_back(texts[t]);
    examples.push_back(std::move(e));
  }
  return examples;
}

}  // namespace kvlink::eval
