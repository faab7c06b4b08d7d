// kvlink docs list|show|rm|pin|unpin: the documents that `index` has seen. Works without a model:
// a document's blocks, of whichever models, are found by their labels.
#include <CLI/CLI.hpp>

#include <set>

#include "cli/commands.h"
#include "cli/json_output.h"
#include "cli/label.h"
#include "cli/places.h"

namespace kvlink::cli {
namespace {

Json ToJson(const IndexedDocument& document) {
  return {{"id", document.id},         {"title", document.title}, {"tokens", document.tokens},
          {"source", document.source}, {"begin", document.begin}, {"end", document.end},
          {"pinned", document.pinned}};
}

// A store that may not be written to can still be listed.
Result<std::unique_ptr<DocumentIndex>> OpenForReading(Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const std::string store, session.store_path());
  return session.OpenDocuments(/*create=*/false, /*read_only=*/!IsWritable(store));
}

Result<int> List(Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto index, OpenForReading(session));
  KVLINK_ASSIGN_OR_RETURN(const std::vector<IndexedDocument> documents, index->List());
  if (session.json()) {
    Json list = Json::array();
    for (const IndexedDocument& document : documents) list.push_back(ToJson(document));
    PrintJson({{"documents", std::move(list)}});
    return 0;
  }
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

Result<int> Show(const std::string& id, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto index, OpenForReading(session));
  KVLINK_ASSIGN_OR_RETURN(const IndexedDocument document, index->Get(id));
  if (session.json()) {
    Json json = ToJson(document);
    json["text"] = document.text;
    PrintJson(json);
    return 0;
  }
  PrintText("id      " + CleanLine(document.id) + "\ntitle   " + CleanLine(document.title) +
            "\nsource  " + CleanLine(document.source) + ", bytes " +
            std::to_string(document.begin) + " to " + std::to_string(document.end) + "\ntokens  " +
            std::to_string(document.tokens) + (document.pinned ? ", pinned" : "") + "\n\n");
  PrintData(document.text + "\n");
  return 0;
}

// All ids are looked up before anything is changed: a mistyped one changes nothing.
Result<std::set<std::string>> FullIds(DocumentIndex& index, const std::vector<std::string>& given) {
  std::set<std::string> ids;
  for (const std::string& id : given) {
    KVLINK_ASSIGN_OR_RETURN(const IndexedDocument document, index.Get(id));
    ids.insert(document.id);
  }
  return ids;
}

// Ids of the blocks whose labels name one of the documents.
Result<std::vector<BlockId>> BlocksOf(DiskStore& store, const std::set<std::string>& ids) {
  std::vector<BlockId> blocks;
  KVLINK_RETURN_IF_ERROR(store.ForEachLabel([&](const BlockId& block, std::string_view label) {
    const std::optional<SourceDocument> document = ParseLabel(label);
    if (document && ids.count(document->id) > 0) blocks.push_back(block);
  }));
  return blocks;
}

Result<int> Remove(const std::vector<std::string>& given, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto index, session.OpenDocuments(false, false));
  KVLINK_ASSIGN_OR_RETURN(const std::set<std::string> ids, FullIds(*index, given));
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false));
  KVLINK_ASSIGN_OR_RETURN(const std::vector<BlockId> blocks, BlocksOf(*store, ids));
  for (const BlockId& block : blocks) {
    // Pinned means kept from eviction; whoever names a document wants it gone.
    Status removed = store->Remove(block);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  }
  for (const std::string& id : ids) KVLINK_RETURN_IF_ERROR(index->Remove(id));
  if (session.json()) {
    PrintJson({{"removed", ids}, {"blocks", blocks.size()}});
  } else if (!session.options().quiet) {
    PrintText("removed " + FormatCounted(static_cast<int64_t>(ids.size()), "document") + ", " +
              FormatCounted(static_cast<int64_t>(blocks.size()), "block") + "\n");
  }
  return 0;
}

Result<int> SetPinned(const std::vector<std::string>& given, bool pinned, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto index, session.OpenDocuments(false, false));
  KVLINK_ASSIGN_OR_RETURN(const std::set<std::string> ids, FullIds(*index, given));
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false));
  KVLINK_ASSIGN_OR_RETURN(const std::vector<BlockId> blocks, BlocksOf(*store, ids));
  for (const std::string& id : ids) KVLINK_RETURN_IF_ERROR(index->SetPinned(id, pinned));
  for (const BlockId& block : blocks) {
    Status set = store->SetPinned(block, pinned);
    if (!set.ok() && set.code() != StatusCode::kNotFound) return set;
  }
  if (session.json()) {
    PrintJson({{pinned ? "pinned" : "unpinned", ids}, {"blocks", blocks.size()}});
  } else if (!session.options().quiet) {
    PrintText((pinned ? "pinned " : "unpinned ") +
              FormatCounted(static_cast<int64_t>(ids.size()), "document") + ", " +
              FormatCounted(static_cast<int64_t>(blocks.size()), "block") + "\n");
  }
  return 0;
}

}  // namespace

void AddDocsCommand(CLI::App& app, Command* command) {
  CLI::App* docs = app.add_subcommand("docs", "List, show, remove or pin documents");
  docs->require_subcommand(1);

  docs->add_subcommand("list", "All documents, by source")->callback([command] {
    *command = List;
  });

  auto id = std::make_shared<std::string>();
  CLI::App* show = docs->add_subcommand("show", "One document's text");
  show->add_option("ID", *id, "Id, or enough of its beginning")->required();
  show->callback(
      [command, id] { *command = [id](Session& session) { return Show(*id, session); }; });

  auto ids = std::make_shared<std::vector<std::string>>();
  const auto add = [&](const char* name, const char* about, auto run) {
    CLI::App* sub = docs->add_subcommand(name, about);
    sub->add_option("ID", *ids, "Ids, or enough of their beginnings")->required();
    sub->callback([command, ids, run] {
      *command = [ids, run](Session& session) { return run(*ids, session); };
    });
  };
  add("rm", "Forget documents and remove their blocks; indexing their sources brings them back",
      Remove);
  add("pin", "Keep documents' blocks whatever the budget",
      [](const auto& given, Session& session) { return SetPinned(given, true, session); });
  add("unpin", "Let documents' blocks be evicted",
      [](const auto& given, Session& session) { return SetPinned(given, false, session); });
}

}  // namespace kvlink::cli
