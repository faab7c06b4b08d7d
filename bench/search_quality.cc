// How often a search finds what answers a question: all documents of some example files in one
// index, each question asked of all of them. No model, no block. What the figures mean:
// docs/search.md.
//
//   search_quality FILE.jsonl.gz...       (the layouts that kvlink eval reads)
#include <chrono>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/readers.h"
#include "diagnose/scratch_folder.h"
#include "retrieval/document_index.h"

namespace kvlink {
namespace {

constexpr int kHits = 5;

struct Figures {
  int questions = 0;
  int any = 0;       // a gold document among the five
  int all = 0;       // all gold documents among them
  int first = 0;     // a gold document stands first
  double share = 0;  // of the gold documents, found
};

int Fail(const Status& status) {
  std::fprintf(stderr, "search_quality: %s\n", status.message().c_str());
  return 1;
}

void Print(const std::string& name, const Figures& f) {
  std::printf("%-20s %9d %7.1f %7.1f %7.1f %7.1f\n", name.c_str(), f.questions,
              100.0 * f.any / f.questions, 100.0 * f.all / f.questions,
              100.0 * f.share / f.questions, 100.0 * f.first / f.questions);
}

int Run(const std::vector<std::string>& paths) {
  std::vector<data::Example> examples;
  for (const std::string& path : paths) {
    Result<std::vector<data::Example>> read = data::ReadExamples(FileSystem::Posix(), path, {});
    if (!read.ok()) return Fail(read.status());
    examples.insert(examples.end(), read->begin(), read->end());
  }
  Result<std::unique_ptr<diagnose::ScratchFolder>> folder = diagnose::ScratchFolder::Create();
  if (!folder.ok()) return Fail(folder.status());
  Result<std::unique_ptr<retrieval::DocumentIndex>> index =
      retrieval::DocumentIndex::Open((*folder)->path() + "/documents.sqlite", false);
  if (!index.ok()) return Fail(index.status());
  std::set<std::string> ids;
  int64_t ordinal = 0;
  for (const data::Example& example : examples) {
    for (const data::ExampleDocument& d : example.documents) {
      const std::string id = DocumentId(d.title, d.text);
      if (!ids.insert(id).second) continue;
      const Status added = (*index)->Add({id, d.title, d.text, "-", 0, 0}, ordinal++, 0);
      if (!added.ok()) return Fail(added);
    }
  }
  std::map<std::string, Figures> figures;
  Figures pooled;
  const auto begin = std::chrono::steady_clock::now();
  for (const data::Example& example : examples) {
    if (example.gold.empty() || example.question.empty()) continue;
    const Result<SearchResult> found = (*index)->Search(example.question, kHits);
    if (!found.ok()) return Fail(found.status());
    std::set<std::string> hits;
    for (const SearchHit& hit : found->hits) hits.insert(hit.document.id);
    std::set<std::string> gold;
    for (const int32_t g : example.gold) {
      const data::ExampleDocument& d = example.documents[static_cast<size_t>(g)];
      gold.insert(DocumentId(d.title, d.text));
    }
    size_t both = 0;
    for (const std::string& id : gold) both += hits.count(id);
    for (Figures* f : {&figures[example.dataset], &pooled}) {
      ++f->questions;
      f->any += both > 0 ? 1 : 0;
      f->all += both == gold.size() ? 1 : 0;
      f->share += static_cast<double>(both) / static_cast<double>(gold.size());
      f->first += !found->hits.empty() && gold.contains(found->hits.front().document.id) ? 1 : 0;
    }
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  std::printf("%zu documents, %.1f ms a question\n", ids.size(), took.count() / pooled.questions);
  std::printf("%-20s %9s %7s %7s %7s %7s\n", "% among five", "questions", "any", "all", "share",
              "first");
  for (const auto& [name, f] : figures) Print(name, f);
  if (figures.size() > 1) Print("pooled", pooled);
  return 0;
}

}  // namespace
}  // namespace kvlink

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: search_quality FILE...\n");
    return 2;
  }
  return kvlink::Run({argv + 1, argv + argc});
}
