// kvlink store stats|verify|gc: the blocks on disk, and what can be restored from them.
#include <CLI/CLI.hpp>

#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/label.h"
#include "cli/number_option.h"
#include "cli/pin_rule.h"
#include "cli/places.h"

namespace kvlink::cli {
namespace {

Result<int> Stats(Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false, /*read_only=*/true));
  KVLINK_ASSIGN_OR_RETURN(const DiskStoreStats stats, store->Stats());
  KVLINK_ASSIGN_OR_RETURN(const std::string path, session.store_path());
  if (session.json()) {
    PrintJson({{"path", path},
               {"blocks", stats.blocks},
               {"bytes", stats.bytes},
               {"tokens", stats.tokens},
               {"pinned", stats.pinned},
               {"budget_bytes", stats.budget_bytes},
               {"models", stats.models},
               {"quarantined_files", stats.quarantined_files},
               {"quarantined_bytes", stats.quarantined_bytes},
               {"database_bytes", stats.database_bytes}});
    return 0;
  }
  PrintText(
      "store        " + CleanLine(path) + "\nblocks       " + FormatCount(stats.blocks) + ", " +
      FormatCount(stats.pinned) + " pinned, of " + FormatCounted(stats.models, "model") +
      "\ntokens       " + FormatCount(stats.tokens) + "\nsize         " + FormatBytes(stats.bytes) +
      (stats.budget_bytes > 0 ? " of " + FormatBytes(stats.budget_bytes) : "") + "\nquarantined  " +
      FormatCount(stats.quarantined_files) + " files, " + FormatBytes(stats.quarantined_bytes) +
      "\ndatabases    " + FormatBytes(stats.database_bytes) + "\n");
  return 0;
}

// Moves a database that cannot be read out of the way, its journal too: beside a new database the
// old journal would be taken for the new one's.
Status SetAside(const std::string& path) {
  for (const char* ending : {"", "-wal", "-shm"}) {
    std::error_code error;
    std::filesystem::rename(path + ending, path + ".damaged" + ending, error);
    if (error && error != std::errc::no_such_file_or_directory) {
      return Unavailable("cannot move " + path + ending + " aside: " + error.message());
    }
  }
  return {};
}

// Fills a new document database from the blocks' labels. The sources' hashes are not known, so the
// next `index` reads every source again, and finds the blocks there.
Result<int64_t> RestoreDocuments(Session& session, DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> blocks, store.List());
  std::map<BlockId, const StoredBlock*> rows;
  for (const StoredBlock& block : blocks) rows[block.id] = &block;

  struct Found {
    SourceDocument document;
    int64_t tokens = 0;
    bool pinned = false;
  };
  // By source and place; the parts of one .jsonl line share a place.
  std::map<std::tuple<std::string, int64_t, std::string>, Found> found;
  std::vector<std::pair<std::string, std::string>> holders;  // document, block
  KVLINK_RETURN_IF_ERROR(store.ForEachLabel([&](const BlockId& id, std::string_view label) {
    std::optional<SourceDocument> document = ParseLabel(label);
    if (!document) return;
    holders.emplace_back(document->id, ToHex(id));
    const auto row = rows.find(id);
    Found& entry = found[{document->source, document->begin, document->id}];
    entry.document = *std::move(document);
    if (row != rows.end()) {
      entry.tokens = row->second->tokens;
      entry.pinned |= row->second->pinned;
    }
  }));

  KVLINK_ASSIGN_OR_RETURN(auto index, session.OpenDocuments(/*create=*/true, /*read_only=*/false));
  std::string source;
  int64_t ordinal = 0;
  for (const auto& [place, entry] : found) {
    if (std::get<0>(place) != source) ordinal = 0;
    source = std::get<0>(place);
    KVLINK_RETURN_IF_ERROR(index->Add(entry.document, ordinal++, entry.tokens));
    if (entry.pinned) KVLINK_RETURN_IF_ERROR(index->SetPinned(entry.document.id, true));
  }
  KVLINK_RETURN_IF_ERROR(index->LearnBlocks(holders));
  return static_cast<int64_t>(found.size());
}

// How many documents were restored; nothing if their database is sound.
Result<std::optional<int64_t>> MendDocuments(Session& session, DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const std::string folder, session.store_path());
  const std::string path = DocumentsPath(folder);
  const bool read_only = !IsWritable(folder);
  KVLINK_ASSIGN_OR_RETURN(const bool there, Exists(FileSystem::Posix(), path));
  if (!there && read_only) return std::optional<int64_t>();  // nothing can be restored there
  if (there) {
    const Result<std::unique_ptr<DocumentIndex>> opened = session.OpenDocuments(false, read_only);
    Status state = opened.ok() ? (*opened)->List().status() : opened.status();
    if (state.code() != StatusCode::kDataLoss || read_only) {
      KVLINK_RETURN_IF_ERROR(state);
      return std::optional<int64_t>();
    }
    session.Warn("the list of documents is damaged and was moved to " + path +
                 ".damaged: " + state.message());
    KVLINK_RETURN_IF_ERROR(SetAside(path));
  }
  KVLINK_ASSIGN_OR_RETURN(const int64_t restored, RestoreDocuments(session, store));
  return std::optional<int64_t>(restored);
}

// The store's pins, as the documents say.
Status ApplyPins(Session& session, DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const std::string folder, session.store_path());
  if (!IsWritable(folder)) return {};
  return store.ApplyPins(MakePinRule(DocumentsPath(folder))).status();
}

Result<int> Verify(Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false));
  CatchInterrupt();
  VerifyReport report;
  {
    ProgressBar bar(session.console(), "verifying", session.chatty());
    KVLINK_ASSIGN_OR_RETURN(report, store->Verify([&](int64_t done, int64_t total) {
      bar.Draw(total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1,
               FormatBytes(done) + " of " + FormatBytes(total), -1);
      return !Interrupted();
    }));
  }
  if (Interrupted()) return Cancelled("store verify: stopped before all blocks were read");
  const Result<std::optional<int64_t>> mended = MendDocuments(session, *store);
  Status documents = mended.status();
  const std::optional<int64_t> restored = mended.ok() ? *mended : std::nullopt;
  if (documents.ok()) documents = ApplyPins(session, *store);

  if (session.json()) {
    PrintJson({{"checked", report.checked},
               {"bytes", report.bytes},
               {"damaged", report.damaged},
               {"quarantined", report.quarantined},
               {"adopted", report.adopted},
               {"forgotten", report.forgotten},
               {"restored_documents", restored.value_or(0)}});
  } else if (!session.options().quiet) {
    PrintText("checked " + FormatCounted(report.checked, "block") + ", " +
              FormatBytes(report.bytes) + ": " + FormatCount(report.quarantined + report.damaged) +
              " damaged, " + FormatCount(report.adopted) + " without a row adopted, " +
              FormatCount(report.forgotten) + " rows without a file forgotten\n");
    if (restored) {
      PrintText("the list of documents was missing: " + FormatCounted(*restored, "document") +
                " restored from their blocks\n");
    }
  }
  if (report.quarantined > 0) {
    return DataLoss("store verify: " + FormatCount(report.quarantined) +
                    " damaged blocks were moved to quarantine; compute them again with: kvlink "
                    "index PATH");
  }
  if (report.damaged > 0) {
    return DataLoss("store verify: " + FormatCount(report.damaged) +
                    " blocks are damaged and left where they are, as the store may not be "
                    "written; the first: " +
                    report.first_damage);
  }
  KVLINK_RETURN_IF_ERROR(documents);
  return 0;
}

Result<int> Collect(std::optional<int64_t> budget, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false));
  int64_t budget_bytes = std::numeric_limits<int64_t>::max();  // only quarantine is emptied
  if (budget) {
    budget_bytes = *budget;
  } else if (session.options().budget_bytes > 0) {
    budget_bytes = session.options().budget_bytes;
  }
  KVLINK_ASSIGN_OR_RETURN(const int64_t freed, store->Collect(budget_bytes));
  KVLINK_ASSIGN_OR_RETURN(const DiskStoreStats stats, store->Stats());
  if (session.json()) {
    PrintJson({{"freed_bytes", freed}, {"blocks", stats.blocks}, {"bytes", stats.bytes}});
  } else if (!session.options().quiet) {
    PrintText("freed " + FormatBytes(freed) + "; " + FormatCounted(stats.blocks, "block") + ", " +
              FormatBytes(stats.bytes) + " are left\n");
  }
  return 0;
}

}  // namespace

void AddStoreCommand(CLI::App& app, Command* command) {
  CLI::App* store = app.add_subcommand("store", "Look at, check or shrink the store of blocks");
  store->require_subcommand(1);
  store->add_subcommand("stats", "How much is stored")->callback([command] { *command = Stats; });
  store
      ->add_subcommand("verify",
                       "Read every block, set damaged ones aside, mend the catalogue, restore a "
                       "lost list of documents")
      ->callback([command] { *command = Verify; });

  auto budget = std::make_shared<int64_t>(0);
  CLI::App* gc = store->add_subcommand("gc", "Remove the least recently used blocks");
  CLI::Option* option =
      gc->add_option("--budget", *budget, "Bytes that may stay (pinned blocks always do)")
          ->transform(SizeOption())
          ->type_name("SIZE");
  gc->callback([command, budget, option] {
    const std::optional<int64_t> given =
        option->count() > 0 ? std::optional<int64_t>(*budget) : std::nullopt;
    *command = [given](Session& session) { return Collect(given, session); };
  });
}

}  // namespace kvlink::cli
