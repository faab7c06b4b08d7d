// How right answers are over what a search puts into the prompt, as `ask` serves it: all documents
// of some example files in one index, each question asked over what is found for it there. Prints a
// JSON line an answer; answers_over_search.py makes tables and constants of them (docs/quality.md).
//
//   answers_over_search MODEL LINKS METHOD,... PROMPT,...|all QUESTIONS-OF-EACH-SET
//   FILE.jsonl.gz...
//
// Prompts: the best first or last, 1 to 8 of them, and `chosen`, as ask chooses; `absent` is
// `chosen` over an index that has no document of the question's own set, nor one with the answer in
// it.
#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "data/readers.h"
#include "diagnose/scratch_folder.h"
#include "eval/metrics.h"
#include "kvlink/engine.h"
#include "retrieval/choose_passages.h"
#include "retrieval/evidence.h"

namespace kvlink {
namespace {

constexpr int kHits = 12;
constexpr int kMaxTokens = 64;

struct Prompt {
  std::string name;
  std::vector<SearchHit> hits;  // in prompt order
};

[[noreturn]] void Fail(const Status& status) {
  std::fprintf(stderr, "answers_over_search: %s\n", status.message().c_str());
  std::exit(1);
}

template <class T>
T Must(Result<T> result) {
  if (!result.ok()) Fail(result.status());
  return *std::move(result);
}

// An index of every document of the examples but those of data set `without`.
std::unique_ptr<retrieval::DocumentIndex> IndexOf(const std::vector<data::Example>& examples,
                                                  const std::string& without,
                                                  const std::string& database) {
  std::set<std::string> left_out, there;
  for (const data::Example& example : examples) {
    if (example.dataset != without) continue;
    for (const data::ExampleDocument& d : example.documents)
      left_out.insert(DocumentId(d.title, d.text));
  }
  std::unique_ptr<retrieval::DocumentIndex> index =
      Must(retrieval::DocumentIndex::Open(database, false));
  int64_t ordinal = 0;
  for (const data::Example& example : examples) {
    for (const data::ExampleDocument& d : example.documents) {
      const std::string id = DocumentId(d.title, d.text);
      if (left_out.contains(id) || !there.insert(id).second) continue;
      const Status added = index->Add({id, d.title, d.text, "-", 0, 0}, ordinal++, 0);
      if (!added.ok()) Fail(added);
    }
  }
  return index;
}

std::vector<SearchHit> Chosen(const std::vector<SearchHit>& hits) {
  std::vector<SearchHit> chosen;
  for (const size_t i : retrieval::ChoosePassages(hits, {})) chosen.push_back(hits[i]);
  return chosen;
}

std::vector<Prompt> PromptsOf(const std::vector<SearchHit>& hits) {
  std::vector<Prompt> prompts = {{"chosen", Chosen(hits)}};
  for (const size_t n : {1, 2, 3, 5, 8}) {
    std::vector<SearchHit> first(hits.begin(), hits.begin() + std::min(n, hits.size()));
    prompts.push_back({"first" + std::to_string(n), first});
    if (n > 1) prompts.push_back({"last" + std::to_string(n), {first.rbegin(), first.rend()}});
  }
  return prompts;
}

void Ask(Engine& engine, const data::Example& example, const Prompt& prompt,
         const std::string& method) {
  Request request;
  request.question = example.question;
  request.method = *ParseMethod(method);
  request.max_tokens = kMaxTokens;
  std::vector<retrieval::Passage> passages;
  double coverage = 0;
  for (const SearchHit& hit : prompt.hits) {
    request.documents.push_back({"", hit.document.title, hit.document.text, ""});
    passages.push_back({hit.document.title, hit.document.text});
    coverage = std::max(coverage, hit.coverage);
  }
  const Answer answer = Must(engine.Ask(request));
  double least = 0, sum = 0;
  for (const GeneratedToken& token : answer.generated) {
    least = std::min(least, static_cast<double>(token.logprob));
    sum += token.logprob;
  }
  const auto evidence = retrieval::FindEvidence(example.question, answer.text, passages);
  nlohmann::json line = {
      {"id", example.id},
      {"dataset", example.dataset},
      {"prompt", prompt.name},
      {"method", method},
      {"answer", answer.text},
      {"em", eval::ExactMatch(answer.text, example.answers)},
      {"f1", eval::TokenF1(answer.text, example.answers)},
      {"subspan_em", eval::BestSubspanEm(answer.text, example.answers)},
      {"prompt_tokens", answer.usage.prompt_tokens},
      {"coverage", coverage},
      {"least_logprob", least},
      {"tokens", answer.generated.size()},
      {"mean_logprob", sum / std::max<double>(1, static_cast<double>(answer.generated.size()))},
      {"share_in_passages", retrieval::ShareInPassages(example.question, answer.text, passages)},
      {"sentence_support", retrieval::SentenceSupport(example.question, answer.text, passages)},
      {"evidence", evidence.has_value()}};
  if (evidence) {
    const std::string sentence(
        passages[evidence->passage].text.substr(evidence->begin, evidence->end - evidence->begin));
    line["evidence_has_answer"] = eval::BestSubspanEm(sentence, example.answers);
  }
  std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

bool HasAnswer(const std::vector<SearchHit>& hits, const data::Example& example) {
  for (const SearchHit& hit : hits) {
    if (eval::BestSubspanEm(hit.document.text, example.answers) > 0) return true;
  }
  return false;
}

std::vector<std::string> NamesIn(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream stream(list);
  for (std::string name; std::getline(stream, name, ',');) names.push_back(name);
  return names;
}

void Run(const std::string& model, const std::string& links, const std::string& methods,
         const std::string& prompts_wanted, int limit, const std::vector<std::string>& files) {
  std::vector<data::Example> examples;
  for (const std::string& file : files) {
    for (data::Example& example : Must(data::ReadExamples(FileSystem::Posix(), file, {}))) {
      examples.push_back(std::move(example));
    }
  }
  const std::unique_ptr<diagnose::ScratchFolder> folder = Must(diagnose::ScratchFolder::Create());
  const auto all = IndexOf(examples, "", folder->path() + "/all.sqlite");
  std::map<std::string, std::unique_ptr<retrieval::DocumentIndex>> without;
  EngineOptions options;
  options.model_path = model;
  options.links_path = links;
  options.threads = 1;
  const auto engine = Must(Engine::Open(options));
  const std::vector<std::string> wanted = NamesIn(prompts_wanted);
  const auto is_wanted = [&](const Prompt& prompt) {
    return prompts_wanted == "all" ||
           std::find(wanted.begin(), wanted.end(), prompt.name) != wanted.end();
  };
  std::map<std::string, int> asked;
  for (const data::Example& example : examples) {
    if (asked[example.dataset]++ >= limit) continue;
    std::vector<Prompt> prompts = PromptsOf(Must(all->Search(example.question, kHits)).hits);
    auto& others = without[example.dataset];
    if (others == nullptr) {
      others = IndexOf(examples, example.dataset,
                       folder->path() + "/without-" + std::to_string(without.size()) + ".sqlite");
    }
    const auto absent = Chosen(Must(others->Search(example.question, kHits)).hits);
    if (!HasAnswer(absent, example)) prompts.push_back({"absent", absent});
    for (const std::string& method : NamesIn(methods)) {
      for (const Prompt& prompt : prompts) {
        if (is_wanted(prompt)) Ask(*engine, example, prompt, method);
      }
    }
  }
}

}  // namespace
}  // namespace kvlink

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(
        stderr,
        "usage: answers_over_search MODEL LINKS METHOD,... PROMPT,...|all QUESTIONS FILE...\n");
    return 2;
  }
  kvlink::Run(argv[1], argv[2], argv[3], argv[4], std::atoi(argv[5]), {argv + 6, argv + argc});
  return 0;
}
