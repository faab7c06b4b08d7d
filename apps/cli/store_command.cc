// kvlink store stats|verify|gc: the blocks on disk, and what can be restored from them.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <limits>
#include <optional>

#include "cli/commands.h"
#include "cli/default_paths.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/number_option.h"
#include "library/document_blocks.h"
#include "library/mend_documents.h"
#include "library/pin_rule.h"

namespace kvlink::cli {
namespace {

Result<int> Stats(Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false, /*read_only=*/true));
  KVLINK_ASSIGN_OR_RETURN(const kv::DiskStoreStats stats, store->Stats());
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

// The store's pins, as the documents say.
Status ApplyPins(Session& session, kv::DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const std::string folder, session.store_path());
  if (!library::IsWritable(folder)) return {};
  return store.ApplyPins(library::MakePinRule(library::DocumentsPath(folder))).status();
}

Result<int> Verify(Session& session) {
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false));
  CatchInterrupt();
  kv::VerifyReport report;
  {
    ProgressBar bar(session.console(), "verifying", session.chatty());
    KVLINK_ASSIGN_OR_RETURN(report, store->Verify([&](int64_t done, int64_t total) {
      bar.Draw(total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1,
               FormatBytes(done) + " of " + FormatBytes(total), -1);
      return !Interrupted();
    }));
  }
  KVLINK_ASSIGN_OR_RETURN(const std::string folder, session.store_path());
  const auto warn = [&session](std::string_view message) { session.Warn(message); };
  if (Interrupted()) return Cancelled("store verify: stopped before all blocks were read");
  const Result<int64_t> mended = library::MendDocuments(folder, *store, warn);
  Status documents = mended.status();
  const int64_t restored = mended.ok() ? *mended : 0;
  if (documents.ok()) documents = ApplyPins(session, *store);
  // What a removal of documents that was killed has left.
  if (documents.ok()) documents = library::RemoveForgotten(folder, *store).status();

  if (session.json()) {
    PrintJson({{"checked", report.checked},
               {"bytes", report.bytes},
               {"damaged", report.damaged},
               {"quarantined", report.quarantined},
               {"adopted", report.adopted},
               {"forgotten", report.forgotten},
               {"unreadable", report.unreadable},
               {"restored_documents", restored}});
  } else if (!session.options().quiet) {
    PrintText("checked " + FormatCounted(report.checked, "block") + ", " +
              FormatBytes(report.bytes) + ": " + FormatCount(report.quarantined + report.damaged) +
              " damaged, " + FormatCount(report.adopted) + " without a row adopted, " +
              FormatCount(report.forgotten) + " rows without a file forgotten" +
              (report.unreadable > 0 ? ", " + FormatCount(report.unreadable) + " unreadable" : "") +
              "\n");
    if (restored > 0) {
      PrintText("the list of documents was missing: " + FormatCounted(restored, "document") +
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
  if (report.unreadable > 0) {
    return Unavailable(
        "store verify: " + FormatCount(report.unreadable) +
        " files or folders of blocks could not be read; the first: " + report.first_unreadable);
  }
  KVLINK_RETURN_IF_ERROR(documents);
  return 0;
}

Result<int> Collect(std::optional<int64_t> budget, Session& session) {
  // The budget is kept below, where what goes is counted.
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/false, /*read_only=*/false,
                                                        /*keep_budget=*/false));
  int64_t budget_bytes = std::numeric_limits<int64_t>::max();  // only quarantine is emptied
  if (budget) {
    budget_bytes = *budget;
  } else if (session.options().budget_bytes > 0) {
    budget_bytes = session.options().budget_bytes;
  }
  KVLINK_ASSIGN_OR_RETURN(const kv::DiskStoreStats before, store->Stats());
  KVLINK_ASSIGN_OR_RETURN(const std::string folder, session.store_path());
  // What a removal of documents that was killed has left goes first, whatever the budget.
  const Result<int64_t> removed = library::RemoveForgotten(folder, *store);
  if (!removed.ok()) {
    session.Warn("blocks of documents that were removed may be left: " +
                 removed.status().message());
  }
  KVLINK_ASSIGN_OR_RETURN(const kv::DiskStoreStats kept, store->Stats());
  KVLINK_ASSIGN_OR_RETURN(const int64_t collected, store->Collect(budget_bytes));
  const int64_t freed = collected + std::max<int64_t>(before.bytes - kept.bytes, 0);
  KVLINK_ASSIGN_OR_RETURN(const kv::DiskStoreStats stats, store->Stats());
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
