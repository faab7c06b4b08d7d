// From a question to an answer over documents: which of them go into the prompt, and what they say
// for the answer. The answer itself: engine/answer.cc.
#include <algorithm>
#include <set>
#include <utility>

#include "library/answer_support.h"
#include "library/keep_answer.h"
#include "library/label.h"
#include "library/library_impl.h"
#include "library/named_documents.h"
#include "library/source_check.h"
#include "library/store_files.h"
#include "retrieval/choose_passages.h"

namespace kvlink::library {
namespace {

// Of how many hits the passages are chosen: some may say the same.
constexpr int kHitsPerPassage = 4;

}  // namespace

// In the order of the words, none twice.
Result<Passages> LibraryImpl::FindNamed(retrieval::DocumentIndex& index,
                                        const std::vector<std::string>& words) {
  Passages passages;
  std::set<std::string> seen;
  for (const std::string& word : words) {
    Result<NamedDocuments> named = FindDocuments(index, {word});
    if (!named.ok()) return Status(named.code(), "--doc " + named.status().message());
    for (IndexedDocument& document : named->documents) {
      if (seen.insert(document.id).second) passages.documents.push_back(std::move(document));
    }
  }
  KVLINK_RETURN_IF_ERROR(CheckSources(index, &passages.documents, warn_));
  return passages;
}

Result<Passages> LibraryImpl::Find(const Question& question) {
  if (StoreIsReadOnly() && !said_read_only_.exchange(true)) {
    warn_("the store " + options_.store_path + " is read-only: no new block is kept");
  }
  Passages passages;
  if (question.documents.empty() && question.top_k == 0) return passages;
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kRead));
  if (!question.documents.empty()) return FindNamed(*index, question.documents);
  retrieval::PassageChoice choice;
  if (question.top_k) choice = {.most = *question.top_k, .least_share = 0};
  KVLINK_ASSIGN_OR_RETURN(const SearchResult found,
                          index->Search(question.request.question, kHitsPerPassage * choice.most));
  if (found.hits.empty()) return NoDocuments();
  if (question.request.strict && found.how == HowFound::kMostRecent) {
    return FailedPrecondition(
        "no document has a word of the question; without --strict it is answered over those "
        "indexed last");
  }
  if (!found.note.empty()) warn_(found.note);
  double coverage = 0;
  for (const size_t hit : retrieval::ChoosePassages(found.hits, choice)) {
    passages.documents.push_back(found.hits[hit].document);
    coverage = std::max(coverage, found.hits[hit].coverage);
  }
  if (found.how == HowFound::kMatched) passages.coverage = coverage;
  passages.ranked = true;
  KVLINK_RETURN_IF_ERROR(CheckSources(*index, &passages.documents, warn_));
  return passages;
}

Result<LibraryAnswer> LibraryImpl::Ask(const Question& question, const TextSink& sink) {
  KVLINK_ASSIGN_OR_RETURN(const Passages passages, Find(question));
  return AskOver(question.request, passages, sink);
}

Result<LibraryAnswer> LibraryImpl::AskOver(const Request& request, const Passages& passages,
                                           const TextSink& sink) {
  KVLINK_ASSIGN_OR_RETURN(Engine* const engine, OpenEngine());
  Request over = request;
  over.documents.clear();
  for (const IndexedDocument& document : passages.documents) {
    over.documents.push_back(ToEngine(document));
    if (!passages.ranked) continue;
    // What stands first is the least.
    over.documents.back().rank =
        static_cast<int32_t>(passages.documents.size() - over.documents.size() + 1);
  }
  LibraryAnswer result;
  KVLINK_ASSIGN_OR_RETURN(result.answer, engine->Ask(over, sink));
  result.support =
      SupportOf(request.question, result.answer, passages.documents, passages.coverage);
  result.passages = passages;
  NoteUses(result);
  return result;
}

// By which documents get their blocks beforehand. An answer is worth more than its being counted.
void LibraryImpl::NoteUses(const LibraryAnswer& result) {
  const std::vector<IndexedDocument>& documents = result.passages.documents;
  std::vector<std::string> used;
  for (size_t i = 0; i < documents.size(); ++i) {
    if (result.answer.document_uses[i].status != DocumentStatus::kDropped)
      used.push_back(documents[i].id);
  }
  if (used.empty()) return;
  const auto index = OpenIndex(Access::kRead);
  if (index.ok()) (void)(*index)->CountUses(used);
}

Status LibraryImpl::CheckKeeping() {
  if (StoreIsReadOnly()) {
    return FailedPrecondition("the store " + options_.store_path + " is read-only");
  }
  return OpenIndex(Access::kCreate).status();
}

Result<KeptAnswer> LibraryImpl::Keep(const std::string& answer, const std::string& title) {
  KVLINK_RETURN_IF_ERROR(CheckKeeping());
  KVLINK_ASSIGN_OR_RETURN(const auto index, OpenIndex(Access::kCreate));
  KVLINK_ASSIGN_OR_RETURN(Engine* const engine, OpenEngine());
  return KeepAnswer(answer, title, *engine, *index);
}

}  // namespace kvlink::library
