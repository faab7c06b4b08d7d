// kvlink docs list|show|rm|pin|unpin: the documents that `index` has seen. Works without a model:
// the index names a document's blocks, of whichever models.
#include <CLI/CLI.hpp>

#include <map>
#include <set>

#include "cli/commands.h"
#include "cli/default_paths.h"
#include "cli/document_blocks.h"
#include "cli/json_output.h"
#include "cli/named_documents.h"
#include "cli/sources_output.h"

namespace kvlink::cli {
namespace {

Json ToJson(const IndexedDocument& document) {
  return {{"id", document.id},
          {"title", document.title},
          {"tokens", document.tokens},
          {"source", document.source},
          {"begin", document.begin},
          {"end", document.end},
          {"unit", UnitName(document.unit)},
          {"pinned", document.pinned}};
}

// A store that may not be written to can still be listed.
Result<std::unique_ptr<DocumentIndex>> OpenForReading(Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const std::string store, session.store_path());
  const bool writable = IsWritable(store) && IsWritable(DocumentsPath(store));
  return session.OpenDocuments(/*create=*/false, /*read_only=*/!writable);
}

// A row a file: how many documents it has, and how it stands.
Result<int> ListFiles(DocumentIndex& index, const std::vector<IndexedDocument>& documents,
                      Session& session) {
  struct File {
    int64_t documents = 0, tokens = 0, pinned = 0;
  };
  std::map<std::string, File> files;
  for (const IndexedDocument& document : documents) {
    File& file = files[document.source];
    ++file.documents;
    file.tokens += document.tokens;
    file.pinned += document.pinned ? 1 : 0;
  }
  KVLINK_ASSIGN_OR_RETURN(const auto states, index.FileStates());
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const auto& [source, file] : files) {
    const auto indexed = states.find(source);
    const std::string_view state =
        Name(indexed == states.end() ? SourceState::kUnknown
                                     : StateOf(FileSystem::Posix(), source, indexed->second));
    list.push_back({{"source", source},
                    {"documents", file.documents},
                    {"tokens", file.tokens},
                    {"pinned", file.pinned},
                    {"state", state}});
    rows.push_back({FormatCount(file.documents), FormatCount(file.tokens),
                    file.pinned > 0 ? FormatCount(file.pinned) : "", std::string(state), source});
  }
  if (session.json()) {
    PrintJson({{"files", std::move(list)}});
    return 0;
  }
  PrintText(FormatTable({{"DOCUMENTS", /*right=*/true},
                         {"TOKENS", /*right=*/true},
                         {"PINNED", /*right=*/true},
                         {"FILE NOW"},
                         {"SOURCE", false, /*shrinks=*/true}},
                        rows, session.console().out_width()));
  return 0;
}

Result<int> List(const std::vector<std::string>& words, bool by_file, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto index, OpenForReading(session));
  KVLINK_ASSIGN_OR_RETURN(const NamedDocuments named, FindDocuments(*index, words));
  const std::vector<IndexedDocument>& documents = named.documents;
  if (by_file) return ListFiles(*index, documents, session);
  if (session.json()) {
    Json list = Json::array();
    for (const IndexedDocument& document : documents) list.push_back(ToJson(document));
    PrintJson({{"documents", std::move(list)}});
    return 0;
  }
  if (documents.empty()) return session.NoDocuments();
  std::vector<std::vector<std::string>> rows;
  rows.reserve(documents.size());
  for (const IndexedDocument& document : documents) {
    rows.push_back({document.id, FormatCount(document.tokens), document.pinned ? "yes" : "",
                    document.title, document.source});
  }
  PrintText(FormatTable({{"ID"},
                         {"TOKENS", /*right=*/true},
                         {"PINNED"},
                         {"TITLE", false, /*shrinks=*/true},
                         {"SOURCE", false, /*shrinks=*/true}},
                        rows, session.console().out_width()));
  return 0;
}

void PrintDocument(const IndexedDocument& document) {
  PrintText("id      " + CleanLine(document.id) + "\ntitle   " + CleanLine(document.title) +
            "\nsource  " + CleanLine(document.source) + ", bytes " +
            std::to_string(document.begin) + " to " + std::to_string(document.end) + "\ntokens  " +
            std::to_string(document.tokens) + (document.pinned ? ", pinned" : "") + "\n\n");
  PrintData(document.text + "\n");
}

// One document by id: one object. By file or pattern: all of theirs.
Result<int> Show(const std::string& word, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto index, OpenForReading(session));
  KVLINK_ASSIGN_OR_RETURN(const NamedDocuments named, FindDocuments(*index, {word}));
  const auto to_json = [](const IndexedDocument& document) {
    Json json = ToJson(document);
    json["text"] = document.text;
    return json;
  };
  if (!named.ids.empty()) {
    KVLINK_ASSIGN_OR_RETURN(const IndexedDocument document, index->Get(*named.ids.begin()));
    if (session.json()) {
      PrintJson(to_json(document));
    } else {
      PrintDocument(document);
    }
    return 0;
  }
  Json list = Json::array();
  for (const IndexedDocument& document : named.documents) {
    if (session.json()) {
      list.push_back(to_json(document));
    } else {
      if (&document != &named.documents.front()) PrintText("\n");
      PrintDocument(document);
    }
  }
  if (session.json()) PrintJson({{"documents", std::move(list)}});
  return 0;
}

// Ids of all documents that were named, by whatever.
std::set<std::string> IdsOf(const NamedDocuments& named) {
  std::set<std::string> ids;
  for (const IndexedDocument& document : named.documents) ids.insert(document.id);
  return ids;
}

// A line a document, as its file and title; of many the first ones.
void ShowNamed(const NamedDocuments& named, Session& session) {
  constexpr size_t kMost = 20;
  const std::vector<IndexedDocument>& all = named.documents;
  const size_t shown = all.size() > kMost ? kMost - 1 : all.size();
  for (size_t i = 0; i < shown; ++i) {
    session.console().Line("  " + all[i].id + "  " + PlaceOf(all[i], /*whole=*/false));
  }
  if (shown < all.size()) {
    session.console().Line("  and " + FormatCount(static_cast<int64_t>(all.size() - shown)) +
                           " more");
  }
}

// What is to be changed. A word that may mean two things is not guessed.
Result<NamedDocuments> FindToChange(DocumentIndex& index, const std::vector<std::string>& words) {
  KVLINK_ASSIGN_OR_RETURN(NamedDocuments named, FindDocuments(index, words));
  if (!named.ambiguity.empty()) return InvalidArgument(named.ambiguity);
  return named;
}

// By id a document goes from all its files; by file, a text that another file has too stays there.
Result<int> Remove(const std::vector<std::string>& words, bool yes, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto index, session.OpenDocuments(false, false));
  KVLINK_ASSIGN_OR_RETURN(const NamedDocuments named, FindToChange(*index, words));
  if (session.chatty()) ShowNamed(named, session);
  const auto count = static_cast<int64_t>(named.documents.size());
  if (count > 1 && !yes && session.CanAsk() &&
      !session.Asks("remove these " + FormatCount(count) + " documents?")) {
    return Cancelled("docs rm: nothing was removed");
  }
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false));
  KVLINK_RETURN_IF_ERROR(LearnBlocks(*index, *store));
  std::set<std::string> removed = named.ids;
  for (const std::string& id : named.ids) KVLINK_RETURN_IF_ERROR(index->Remove(id));
  for (const std::string& source : named.sources) {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> orphans, index->ForgetSource(source));
    removed.insert(orphans.begin(), orphans.end());
  }
  KVLINK_ASSIGN_OR_RETURN(const int64_t blocks, RemoveForgotten(session, *index, *store));
  if (session.json()) {
    PrintJson({{"removed", removed}, {"blocks", blocks}, {"sources", named.sources}});
  } else if (!session.options().quiet) {
    std::string line = "removed " +
                       FormatCounted(static_cast<int64_t>(removed.size()), "document") + ", " +
                       FormatCounted(blocks, "block");
    if (!named.sources.empty()) {
      line += ", " + FormatCounted(static_cast<int64_t>(named.sources.size()), "file") +
              " from the list";
    }
    PrintText(line + "\n");
  }
  return 0;
}

Result<int> SetPinned(const std::vector<std::string>& words, bool pinned, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto index, session.OpenDocuments(false, false));
  KVLINK_ASSIGN_OR_RETURN(const NamedDocuments named, FindToChange(*index, words));
  const std::set<std::string> ids = IdsOf(named);
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false));
  KVLINK_RETURN_IF_ERROR(LearnBlocks(*index, *store));
  KVLINK_ASSIGN_OR_RETURN(const std::vector<BlockId> blocks, BlocksOf(*index, ids));
  for (const std::string& id : ids) KVLINK_RETURN_IF_ERROR(index->SetPinned(id, pinned));
  int64_t concerned = 0;
  for (const BlockId& block : blocks) {
    Status set = store->SetPinned(block, pinned);
    if (!set.ok() && set.code() != StatusCode::kNotFound) return set;
    concerned += set.ok() ? 1 : 0;
  }
  if (session.json()) {
    PrintJson({{pinned ? "pinned" : "unpinned", ids}, {"blocks", concerned}});
  } else if (!session.options().quiet) {
    PrintText((pinned ? "pinned " : "unpinned ") +
              FormatCounted(static_cast<int64_t>(ids.size()), "document") + ", " +
              FormatCounted(concerned, "block") + "\n");
  }
  return 0;
}

}  // namespace

void AddDocsCommand(CLI::App& app, Command* command) {
  CLI::App* docs = app.add_subcommand("docs", "List, show, remove or pin documents");
  docs->require_subcommand(1);

  auto words = std::make_shared<std::vector<std::string>>();
  auto by_file = std::make_shared<bool>(false);
  const std::string which =
      "Ids or four letters of their beginnings, files, folders, or patterns: \"*.md\" of "
      "file names, \"notes/*\" from here, \"*/notes/*\" anywhere";
  CLI::App* list = docs->add_subcommand("list", "Documents, by source");
  list->add_option("WHICH", *words, which + " [all]");
  list->add_flag("--by-file", *by_file, "A row a file, and whether it changed since");
  list->callback([command, words, by_file] {
    *command = [words, by_file](Session& session) { return List(*words, *by_file, session); };
  });

  auto word = std::make_shared<std::string>();
  CLI::App* show = docs->add_subcommand("show", "The text of one document, or of a file's");
  show->add_option("WHICH", *word,
                   "Id, or four letters of its beginning; or a file, a folder, a pattern")
      ->required();
  show->callback(
      [command, word] { *command = [word](Session& session) { return Show(*word, session); }; });

  const auto add = [&](const char* name, const char* about, auto run) {
    CLI::App* sub = docs->add_subcommand(name, about);
    sub->add_option("WHICH", *words, which)->required();
    sub->callback([command, words, run] {
      *command = [words, run](Session& session) { return run(*words, session); };
    });
    return sub;
  };
  auto yes = std::make_shared<bool>(false);
  CLI::App* rm =
      add("rm",
          "Forget documents and remove their blocks; indexing their sources brings them "
          "back",
          [yes](const auto& given, Session& session) { return Remove(given, *yes, session); });
  rm->add_flag("--yes", *yes, "Remove several documents without asking");
  add("pin", "Keep documents' blocks whatever the budget",
      [](const auto& given, Session& session) { return SetPinned(given, true, session); });
  add("unpin", "Let documents' blocks be evicted",
      [](const auto& given, Session& session) { return SetPinned(given, false, session); });
}

}  // namespace kvlink::cli
