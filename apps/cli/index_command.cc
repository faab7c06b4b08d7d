// kvlink index PATH…: documents into blocks.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>

#include "cli/commands.h"
#include "cli/indexing.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/keep_answer.h"
#include "retrieval/formats.h"

namespace kvlink::cli {
namespace {

// store_bytes: of all blocks in the store, these and others; nothing: not looked at.
void PrintReport(const IndexReport& report, std::optional<int64_t> store_bytes) {
  Json list = Json::array();
  for (const IndexedLine& line : report.documents) {
    list.push_back(
        {{"id", line.id}, {"title", line.title}, {"tokens", line.tokens}, {"status", line.status}});
  }
  PrintJson({{"documents", std::move(list)},
             {"store_bytes", store_bytes ? Json(*store_bytes) : Json()},
             {"without_block", report.without_block},
             {"failures", report.failures}});
}

void Print(const IndexReport& report, int64_t store_bytes, Session& session) {
  if (session.json()) return PrintReport(report, store_bytes);
  if (session.options().quiet) return;
  std::string line = FormatCounted(report.computed + report.unchanged + report.listed, "document") +
                     ": " + FormatCount(report.computed) + " computed";
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
  if (report.without_block > 0) {
    line += ", " + FormatCount(report.without_block) + " without a block";
  }
  PrintText(line + "; the store takes " + FormatBytes(store_bytes) + "\n");
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

// What folders held beside texts, the commonest endings first: "3 other files (2 .png, 1 .mp3)".
std::string DescribeOthers(const std::map<std::string, int64_t>& others) {
  constexpr size_t kMost = 5;
  std::vector<std::pair<std::string, int64_t>> kinds(others.begin(), others.end());
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  int64_t files = 0, shown = 0;
  std::vector<std::string> parts;
  for (const auto& [ending, count] : kinds) {
    files += count;
    if (parts.size() == kMost) continue;
    shown += count;
    std::string& part = parts.emplace_back(FormatCount(count));
    part += ' ';
    part += ending.empty() ? "without ending" : ending;
  }
  if (shown < files) parts.push_back(FormatCount(files - shown) + " more");
  std::string text = FormatCounted(files, "other file");
  text += " (" + Joined(parts) + ")";
  return text;
}

bool FoundText(const IndexReport& report) {
  return std::any_of(report.documents.begin(), report.documents.end(),
                     [](const IndexedLine& line) { return line.status != "empty"; });
}

// For the parser.
void CheckName(const IndexOptions& options) {
  if (options.name.empty()) {
    throw CLI::ValidationError("--name", "nothing found, expected a name");
  }
  if (options.name.starts_with('/') || options.name.starts_with(kAnswerSource)) {
    throw CLI::ValidationError(
        "--name", options.name + " found, expected no path (/..) and no kept answer (answer:..)");
  }
  if (std::find(options.paths.begin(), options.paths.end(), "-") == options.paths.end()) {
    throw CLI::ValidationError("--name", "names standard input: expected - among the paths");
  }
}

// The sources that the index has, before this run.
Result<std::vector<std::string>> IndexedSources(Session& session) {
  const auto index = session.OpenDocuments(/*create=*/false, /*read_only=*/false);
  if (index.code() == StatusCode::kNotFound) return std::vector<std::string>();
  if (!index.ok()) return index.status();
  return (*index)->Sources();
}

// Each once, at the end; a thousand lines of the same kind help nobody.
void PrintFailures(const std::vector<std::string>& failures, Session& session) {
  constexpr size_t kMost = 20;
  const size_t shown = failures.size() > kMost ? kMost - 1 : failures.size();
  for (size_t i = 0; i < shown; ++i) session.console().Line("kvlink: " + failures[i]);
  if (shown < failures.size()) {
    session.console().Line("kvlink: " + FormatCount(static_cast<int64_t>(failures.size() - shown)) +
                           " more were left out; --json lists them all");
  }
}

Result<int> RunIndex(const IndexOptions& options, Session& session) {
  std::vector<std::string> indexed;
  if (options.prune) {
    KVLINK_ASSIGN_OR_RETURN(indexed, IndexedSources(session));
  }
  KVLINK_ASSIGN_OR_RETURN(const FoundSources sources, SourcesOf(options, indexed));
  if (sources.paths.empty() && !options.prune) {
    if (!sources.failures.empty()) {
      IndexReport report;
      report.failures = sources.failures;
      PrintFailures(report.failures, session);
      if (session.json()) PrintReport(report, std::nullopt);
      return 1;
    }
    std::string problem = "no files of a format that is read in " + Joined(options.paths);
    if (!sources.others.empty()) problem += ", only " + DescribeOthers(sources.others);
    return NotFound("nothing to index: " + problem);
  }
  CatchInterrupt();
  KVLINK_ASSIGN_OR_RETURN(auto index, session.OpenDocuments(/*create=*/true, /*read_only=*/false));
  KVLINK_ASSIGN_OR_RETURN(const auto store, session.OpenStore(/*create=*/true));
  KVLINK_ASSIGN_OR_RETURN(const auto engine,
                          session.OpenEngine(/*read_only=*/false, /*require_store=*/true));
  if (!engine->model().why_not_linkable.empty()) {
    return Unsupported("this model cannot be linked, so that blocks would be of no use: " +
                       engine->model().why_not_linkable);
  }

  Indexing indexing(session, options, *engine, *index, *store);
  const Status status = indexing.Run(sources.paths);
  session.console().WipeTransient();
  IndexReport report = indexing.report();
  report.failures.insert(report.failures.begin(), sources.failures.begin(), sources.failures.end());
  PrintFailures(report.failures, session);
  const bool nothing = status.ok() && !report.interrupted && !FoundText(report) && !options.prune;
  if (nothing && report.failures.empty()) {
    return NotFound("nothing to index: " + Joined(report.notes));
  }
  for (const std::string& note : report.notes) session.Warn(note);
  if (!sources.others.empty()) {
    session.Warn("left out " + DescribeOthers(sources.others) + ": of no format that is read (" +
                 ReadableFormats() + ")");
  }
  if (nothing) {
    if (session.json()) PrintReport(report, std::nullopt);
    return 1;
  }
  if (!status.ok() && !report.started) return Status(status.code(), "index: " + status.message());
  if (!status.ok()) {
    return Status(status.code(), "index: " + status.message() + "; " +
                                     FormatCounted(report.computed, "document") +
                                     " computed and kept, the next run goes on "
                                     "behind them");
  }
  if (report.left < 0) {
    return Cancelled(
        "index: stopped while files were read, before any document was computed; the same command "
        "starts again");
  }
  KVLINK_ASSIGN_OR_RETURN(const DiskStoreStats kept, store->Stats());
  Print(report, kept.bytes, session);
  if (report.interrupted) {
    return Cancelled("index: stopped with " + FormatCounted(report.left, "document") +
                     " left; the same command goes on where it stopped");
  }
  if (report.listed > 0) {
    session.Warn("--budget " + FormatBytes(session.options().budget_bytes) + " has no room for " +
                 FormatCounted(report.listed, "new block") +
                 ": those documents are found, and computed when they are asked for");
  }
  return report.failures.empty() ? 0 : 1;
}

}  // namespace

void AddIndexCommand(CLI::App& app, Command* command) {
  auto options = std::make_shared<IndexOptions>();
  CLI::App* sub = app.add_subcommand("index",
                                     "Compute the blocks of documents: texts, Markdown, HTML, PDF, "
                                     "DOCX, ODT, EPUB, CSV, source code, "
                                     ".jsonl ({\"title\",\"text\"} a line)");
  sub->add_option("PATH", options->paths, "Files, folders, or - for standard input")->required();
  sub->add_option("--max-tokens", options->max_tokens, "Most tokens of a document; longer is split")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  const CLI::Option* name =
      sub->add_option("--name", options->name,
                      "What standard input is called: another name is another text, the same one "
                      "replaces it. As a file's, it gives title and format [none]")
          ->type_name("NAME");
  sub->add_flag("--prune", options->prune, "Forget documents whose files below PATH are gone");
  sub->add_flag("--yes", options->yes,
                "Go on without asking: however much it takes, and with --prune even if all files "
                "of a folder or disk are gone");
  sub->add_option("--text-key", options->keys.text,
                  "Field of a .jsonl line that holds the text [text, contents or content]")
      ->type_name("KEY");
  sub->add_option("--title-key", options->keys.title,
                  "Field of a .jsonl line that holds the title [title]")
      ->type_name("KEY");
  sub->callback([command, options, name] {
    if (!name->empty()) CheckName(*options);
    *command = [options](Session& session) { return RunIndex(*options, session); };
  });
}

}  // namespace kvlink::cli
