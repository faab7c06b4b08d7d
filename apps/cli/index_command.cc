// kvlink index PATH…: documents into blocks.
#include <CLI/CLI.hpp>

#include "base/hash.h"
#include "cli/commands.h"
#include "cli/indexing.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/places.h"

namespace kvlink::cli {
namespace {

Result<std::optional<std::set<std::string>>> StoredBlocks(Session& session) {
  if (session.options().budget_bytes > 0) return std::optional<std::set<std::string>>();
  KVLINK_ASSIGN_OR_RETURN(auto store, session.OpenStore(/*create=*/true));
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> blocks, store->List());
  std::set<std::string> ids;
  for (const StoredBlock& block : blocks) ids.insert(ToHex(block.id));
  return std::optional(std::move(ids));
}

void Print(const IndexReport& report, Session& session) {
  if (session.json()) {
    Json list = Json::array();
    for (const IndexedLine& line : report.documents) {
      list.push_back({{"id", line.id},
                      {"title", line.title},
                      {"tokens", line.tokens},
                      {"status", line.status}});
    }
    PrintJson({{"documents", std::move(list)}});
    return;
  }
  if (session.options().quiet) return;
  std::string line = FormatCount(report.computed + report.unchanged) +
                     " documents: " + FormatCount(report.computed) + " computed";
  if (report.computed > 0) {
    const double seconds = report.encode_ms / 1000;
    line += " (" + FormatCount(report.computed_tokens) + " tokens";
    if (seconds > 0) {
      line +=
          ", " +
          FormatCount(static_cast<int64_t>(static_cast<double>(report.computed_tokens) / seconds)) +
          " tokens/s";
    }
    line += ")";
  }
  line += ", " + FormatCount(report.unchanged) + " unchanged";
  if (report.removed > 0) line += ", " + FormatCount(report.removed) + " removed";
  PrintText(line + "\n");
}

std::string Listed(const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) text += (text.empty() ? "" : ", ") + path;
  return text;
}

Result<int> RunIndex(const IndexOptions& options, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> sources, SourcesOf(options));
  if (sources.empty() && !options.prune) {
    return NotFound("nothing to index: no .txt, .md or .jsonl files in " + Listed(options.paths));
  }
  CatchInterrupt();
  KVLINK_ASSIGN_OR_RETURN(auto index, session.OpenDocuments(/*create=*/true, /*read_only=*/false));
  KVLINK_ASSIGN_OR_RETURN(auto stored_blocks, StoredBlocks(session));
  KVLINK_ASSIGN_OR_RETURN(const auto engine, session.OpenEngine(/*read_only=*/false));
  if (!engine->model().why_not_linkable.empty()) {
    return Unsupported("this model cannot be linked, so that blocks would be of no use: " +
                       engine->model().why_not_linkable);
  }

  Indexing indexing(session, options, *engine, *index, std::move(stored_blocks));
  const Status status = indexing.Run(sources);
  session.console().WipeTransient();
  const IndexReport& report = indexing.report();
  for (const std::string& failure : report.failures) {
    session.console().Line("kvlink: " + Printable(failure, false));
  }
  if (!status.ok()) {
    return Status(status.code(), "index: " + status.message() + "; " +
                                     FormatCount(report.computed) +
                                     " documents were computed and kept, the next run goes on "
                                     "behind them");
  }
  if (report.interrupted) {
    Print(report, session);
    return Cancelled("index: stopped with " + FormatCount(report.left) +
                     " documents left; the same command goes on where it stopped");
  }
  if (report.documents.empty() ||
      std::all_of(report.documents.begin(), report.documents.end(),
                  [](const IndexedLine& line) { return line.status == "empty"; })) {
    if (!report.failures.empty()) return 1;
    if (!options.prune) {
      return NotFound("nothing to index: there is no text in " + Listed(options.paths));
    }
  }
  Print(report, session);
  return report.failures.empty() ? 0 : 1;
}

}  // namespace

void AddIndexCommand(CLI::App& app, Command* command) {
  auto options = std::make_shared<IndexOptions>();
  CLI::App* sub = app.add_subcommand(
      "index", "Compute the blocks of documents: .txt, .md, .jsonl ({\"title\",\"text\"} a line)");
  sub->add_option("PATH", options->paths, "Files, folders, or - for standard input")->required();
  sub->add_option("--max-tokens", options->max_tokens, "Most tokens of a document; longer is cut")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  sub->add_flag("--prune", options->prune, "Forget documents whose files below PATH are gone");
  sub->callback([command, options] {
    *command = [options](Session& session) { return RunIndex(*options, session); };
  });
}

}  // namespace kvlink::cli
