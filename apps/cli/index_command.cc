// kvlink index PATH…: documents into the list, and their blocks into the store.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <stop_token>
#include <thread>

#include "cli/commands.h"
#include "cli/index_cost_output.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/standard_input.h"
#include "retrieval/formats.h"

namespace kvlink::cli {
namespace {

struct IndexOptions {
  IndexSources sources;
  std::string blocks = "all";  // or none, or a number
};

// Shows how far a run is, asks what has to be asked, and keeps the documents for JSON.
class Watcher : public IndexObserver {
 public:
  Watcher(Session& session, bool yes)
      : session_(session), yes_(yes), bar_(session.console(), "indexing", session.chatty()) {}

  std::stop_token stop() { return stop_.get_token(); }
  bool found_text() const { return found_text_; }
  Json TakeDocuments() { return std::move(documents_); }

  void OnDocument(const IndexedLine& line) override {
    found_text_ |= line.status != IndexStatus::kEmpty;
    if (!session_.json()) return;
    documents_.push_back({{"id", line.id},
                          {"title", line.title},
                          {"tokens", line.tokens},
                          {"status", Name(line.status)}});
  }

  void OnProgress(const IndexProgress& progress) override {
    const auto fraction = [](int64_t done, int64_t all) {
      return all > 0 ? static_cast<double>(done) / static_cast<double>(all) : 1;
    };
    if (progress.documents_total == 0) {
      bar_.Draw(fraction(progress.sources_done, progress.sources),
                FormatCounted(progress.documents, "document") + " read", -1);
      return;
    }
    std::string text = FormatCount(progress.documents) + "/" +
                       FormatCount(progress.documents_total) + " documents";
    if (progress.tokens_per_s > 0) {
      text += ", " + FormatCount(static_cast<int64_t>(progress.tokens_per_s)) + " tokens/s";
    }
    bar_.Draw(fraction(progress.documents, progress.documents_total), text, progress.remaining_ms);
  }

  Status OnCost(const IndexCost& cost) override { return Agree(cost, yes_, session_); }

 private:
  Session& session_;
  const bool yes_;
  ProgressBar bar_;
  std::stop_source stop_;
  // A signal's handler may not ask for the stop itself, and a long document tells of no progress.
  std::jthread interrupts_{[this](const std::stop_token& ends) {
    while (!ends.stop_requested() && !Interrupted()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (Interrupted()) stop_.request_stop();
  }};
  bool found_text_ = false;
  Json documents_ = Json::array();
};

// store_bytes: of all blocks in the store, these and others; nothing: not looked at.
void PrintReport(const IndexReport& report, Json documents, std::optional<int64_t> store_bytes) {
  PrintJson({{"documents", std::move(documents)},
             {"store_bytes", store_bytes ? Json(*store_bytes) : Json()},
             {"without_block", report.without_block},
             {"failures", report.failures}});
}

void Print(const IndexReport& report, Watcher& watcher, Session& session) {
  if (session.json()) return PrintReport(report, watcher.TakeDocuments(), report.store_bytes);
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
  PrintText(line + "; the store takes " + FormatBytes(report.store_bytes) + "\n");
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

// For the parser.
void CheckName(const IndexSources& sources) {
  if (sources.input_name.empty()) {
    throw CLI::ValidationError("--name", "nothing found, expected a name");
  }
  if (sources.input_name.starts_with('/') || sources.input_name.starts_with("answer:")) {
    throw CLI::ValidationError("--name", sources.input_name +
                                             " found, expected no path (/..) and no kept answer "
                                             "(answer:..)");
  }
  if (std::find(sources.paths.begin(), sources.paths.end(), "-") == sources.paths.end()) {
    throw CLI::ValidationError("--name", "names standard input: expected - among the paths");
  }
}

// Nothing: all. A text that is neither a word nor a number is not there (CheckBlocks).
std::optional<int64_t> MostBlocks(const std::string& blocks) {
  if (blocks == "all") return std::nullopt;
  if (blocks == "none") return 0;
  int64_t most = -1;
  const auto [end, error] = std::from_chars(blocks.data(), blocks.data() + blocks.size(), most);
  return error == std::errc() && end == blocks.data() + blocks.size() ? most : -1;
}

// For the parser: what is wrong; empty: nothing.
std::string CheckBlocks(const std::string& blocks) {
  const std::optional<int64_t> most = MostBlocks(blocks);
  return !most || *most >= 0 ? "" : blocks + " found, expected all, none or a number of blocks";
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

// Why new documents have no blocks, unless that was asked for.
// `capped`: it was for want of a yes.
void WarnOfListed(const IndexReport& report, bool capped, Session& session) {
  const std::string blocks = FormatCounted(report.listed, "new block");
  constexpr char kWhen[] = ": those documents are found, and computed when they are asked for";
  if (report.listed == 0) return;
  if (report.limit == IndexReport::Limit::kAsked && capped) {
    session.Warn("without --yes blocks of " + FormatBytes(kMostUnasked) +
                 " are computed at once: " + blocks + " left out" + kWhen);
  } else if (report.limit == IndexReport::Limit::kBudget) {
    session.Warn("--budget " + FormatBytes(session.options().budget_bytes) + " has no room for " +
                 blocks + kWhen);
  } else if (report.limit == IndexReport::Limit::kDisk) {
    session.Warn("the store's disk has no room for " + blocks + kWhen);
  }
}

Result<int> RunIndex(const IndexOptions& options, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const auto library, session.OpenLibrary());
  CatchInterrupt();
  IndexSources sources = options.sources;
  sources.most_blocks = MostBlocks(options.blocks);
  if (!sources.yes && !session.CanAsk() && !sources.most_blocks) {
    sources.most_block_bytes = kMostUnasked;
  }
  sources.read_input = [](int64_t max_bytes) {
    return ReadStandardInput(max_bytes, "cut it into files");
  };
  IndexReport report;
  Watcher watcher(session, sources.yes);
  const Status status = library->Index(sources, &report, &watcher, watcher.stop());
  session.console().WipeTransient();
  if (status.ok() && report.sources == 0 && !sources.prune) {
    if (!report.failures.empty()) {
      PrintFailures(report.failures, session);
      if (session.json()) PrintReport(report, Json::array(), std::nullopt);
      return 1;
    }
    std::string problem = "no files of a format that is read in " + Joined(sources.paths);
    if (!report.others.empty()) problem += ", only " + DescribeOthers(report.others);
    return NotFound("nothing to index: " + problem);
  }
  PrintFailures(report.failures, session);
  const bool nothing =
      status.ok() && !report.interrupted && !watcher.found_text() && !sources.prune;
  if (nothing && report.failures.empty()) {
    return NotFound("nothing to index: " + Joined(report.notes));
  }
  for (const std::string& note : report.notes) session.Warn(note);
  if (!report.others.empty()) {
    session.Warn("left out " + DescribeOthers(report.others) + ": of no format that is read (" +
                 retrieval::ReadableFormats() + ")");
  }
  if (nothing) {
    if (session.json()) PrintReport(report, watcher.TakeDocuments(), std::nullopt);
    return 1;
  }
  if (!status.ok() && !report.started) return status;
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
  Print(report, watcher, session);
  if (report.interrupted) {
    return Cancelled("index: stopped with " + FormatCounted(report.left, "document") +
                     " left; the same command goes on where it stopped");
  }
  WarnOfListed(report, sources.most_block_bytes.has_value(), session);
  return report.failures.empty() ? 0 : 1;
}

}  // namespace

void AddIndexCommand(CLI::App& app, Command* command) {
  auto options = std::make_shared<IndexOptions>();
  IndexSources& sources = options->sources;
  CLI::App* sub = app.add_subcommand("index",
                                     "List documents for search and compute their blocks: texts, "
                                     "Markdown, HTML, PDF, DOCX, ODT, EPUB, CSV, source code, "
                                     ".jsonl ({\"title\",\"text\"} a line)");
  sub->add_option("PATH", sources.paths, "Files, folders, or - for standard input")->required();
  sub->add_option(
         "--blocks", options->blocks,
         "Which blocks are computed now: all, as far as the budget and the disk have room; "
         "none; or N, of the documents that are used most, then of the newest. The others "
         "are computed when they are asked for")
      ->check(CheckBlocks)
      ->type_name("all|none|N")
      ->capture_default_str();
  sub->add_option("--max-tokens", sources.max_tokens, "Most tokens of a document; longer is split")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  const CLI::Option* name =
      sub->add_option("--name", sources.input_name,
                      "What standard input is called: another name is another text, the same one "
                      "replaces it. As a file's, it gives title and format [none]")
          ->type_name("NAME");
  sub->add_flag("--prune", sources.prune, "Forget documents whose files below PATH are gone");
  sub->add_flag(
      "--yes", sources.yes,
      "Go on without asking: however much blocks take, and with --prune even if all files "
      "of a folder or disk are gone");
  sub->add_option("--text-key", sources.text_key,
                  "Field of a .jsonl line that holds the text [text, contents or content]")
      ->type_name("KEY");
  sub->add_option("--title-key", sources.title_key,
                  "Field of a .jsonl line that holds the title [title]")
      ->type_name("KEY");
  sub->callback([command, options, name] {
    if (!name->empty()) CheckName(options->sources);
    *command = [options](Session& session) { return RunIndex(*options, session); };
  });
}

}  // namespace kvlink::cli
