// kvlink docs list|show|rm|pin|unpin: the documents that `index` has seen. Works without a model:
// the index names a document's blocks, of whichever models.
#include <CLI/CLI.hpp>

#include <set>

#include "cli/commands.h"
#include "cli/json_output.h"
#include "cli/sources_output.h"
#include "retrieval/source_map.h"
#include "retrieval/source_state.h"

namespace kvlink::cli {
namespace {

Json ToJson(const IndexedDocument& document) {
  return {{"id", document.id},
          {"title", document.title},
          {"tokens", document.tokens},
          {"source", document.source},
          {"begin", document.begin},
          {"end", document.end},
          {"unit", retrieval::UnitName(document.unit)},
          {"pinned", document.pinned}};
}

// A row a file: how many documents it has, and how it stands.
int ListFiles(const std::vector<ListedSource>& files, Session& session) {
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const ListedSource& file : files) {
    const std::string_view state = retrieval::Name(file.state);
    list.push_back({{"source", file.source},
                    {"documents", file.documents},
                    {"tokens", file.tokens},
                    {"pinned", file.pinned},
                    {"state", state}});
    rows.push_back({FormatCount(file.documents), FormatCount(file.tokens),
                    file.pinned > 0 ? FormatCount(file.pinned) : "", std::string(state),
                    file.source});
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
  KVLINK_ASSIGN_OR_RETURN(const auto library, session.OpenLibrary());
  KVLINK_ASSIGN_OR_RETURN(const NamedDocuments named, library->List(words));
  const std::vector<IndexedDocument>& documents = named.documents;
  if (by_file) {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<ListedSource> files, library->Sources(named));
    return ListFiles(files, session);
  }
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

std::string PlaceWithin(const IndexedDocument& document) {
  if (document.unit != PlaceUnit::kByte) {
    return retrieval::DescribePlace(document.unit, {document.begin, document.end});
  }
  return "bytes " + std::to_string(document.begin) + " to " + std::to_string(document.end);
}

void PrintDocument(const IndexedDocument& document) {
  PrintText("id      " + CleanLine(document.id) + "\ntitle   " + CleanLine(document.title) +
            "\nsource  " + CleanLine(document.source) + ", " + PlaceWithin(document) +
            "\ntokens  " + std::to_string(document.tokens) + (document.pinned ? ", pinned" : "") +
            "\n\n");
  PrintData(document.text + "\n");
}

// One document by id: one object. By file or pattern: all of theirs.
Result<int> Show(const std::string& word, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const auto library, session.OpenLibrary());
  KVLINK_ASSIGN_OR_RETURN(const NamedDocuments named, library->List({word}));
  const auto to_json = [](const IndexedDocument& document) {
    Json json = ToJson(document);
    json["text"] = document.text;
    return json;
  };
  if (!named.ids.empty()) {
    KVLINK_ASSIGN_OR_RETURN(const IndexedDocument document, library->Show(*named.ids.begin()));
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

Result<int> Remove(const std::vector<std::string>& words, bool yes, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const auto library, session.OpenLibrary());
  KVLINK_ASSIGN_OR_RETURN(const NamedDocuments named, library->ListToChange(words));
  if (session.chatty()) ShowNamed(named, session);
  const auto count = static_cast<int64_t>(named.documents.size());
  if (count > 1 && !yes && session.CanAsk() &&
      !session.Asks("remove these " + FormatCount(count) + " documents?")) {
    return Cancelled("docs rm: nothing was removed");
  }
  KVLINK_ASSIGN_OR_RETURN(const Forgotten removed, library->Forget(named));
  if (session.json()) {
    PrintJson({{"removed", removed.ids}, {"blocks", removed.blocks}, {"sources", named.sources}});
  } else if (!session.options().quiet) {
    std::string line = "removed " +
                       FormatCounted(static_cast<int64_t>(removed.ids.size()), "document") + ", " +
                       FormatCounted(removed.blocks, "block");
    if (!named.sources.empty()) {
      line += ", " + FormatCounted(static_cast<int64_t>(named.sources.size()), "file") +
              " from the list";
    }
    PrintText(line + "\n");
  }
  return 0;
}

Result<int> SetPinned(const std::vector<std::string>& words, bool pinned, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const auto library, session.OpenLibrary());
  KVLINK_ASSIGN_OR_RETURN(const NamedDocuments named, library->ListToChange(words));
  KVLINK_ASSIGN_OR_RETURN(const int64_t blocks, library->Pin(named, pinned));
  const std::set<std::string> ids = IdsOf(named);
  if (session.json()) {
    PrintJson({{pinned ? "pinned" : "unpinned", ids}, {"blocks", blocks}});
  } else if (!session.options().quiet) {
    PrintText((pinned ? "pinned " : "unpinned ") +
              FormatCounted(static_cast<int64_t>(ids.size()), "document") + ", " +
              FormatCounted(blocks, "block") + "\n");
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
