#include "cli/evaluation_run.h"

#include <iterator>

#include "base/bounded_json.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "cli/default_paths.h"
#include "cli/interrupt.h"
#include "eval/report_table.h"

namespace kvlink::cli {
namespace {

constexpr int64_t kMostDescriptionBytes = 1 << 20;
constexpr char kBlockLinks[] = "block_links";  // in run.json

Result<std::string> FileHash(const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const auto mapped, FileSystem::Posix().Map(path));
  std::string hash = ToHex(Sha256().Update(mapped->bytes()).Finish());
  KVLINK_RETURN_IF_ERROR(mapped->CheckUnchanged());
  return hash;
}

std::string GoldPositionName(eval::GoldPosition position) {
  for (const auto& [name, named] : GoldPositions()) {
    if (named == position) return name;
  }
  return "";
}

Json NumberOrNull(const eval::Estimate& e) { return e.measured() ? Json(e.value) : Json(); }

Json RowToJson(const eval::Row& row) {
  Json json = {{"dataset", row.dataset}, {"method", row.method}};
  if (row.gold_position >= 0) json["gold_position"] = row.gold_position;
  json["n"] = row.n;
  Json ci = Json::object();
  for (const eval::Measure& measure : eval::Measures()) {
    const eval::Estimate& e = row.*measure.value;
    json[measure.name] = NumberOrNull(e);
    if (e.has_interval()) ci[measure.name] = {e.low, e.high};
  }
  json["ci"] = std::move(ci);
  return json;
}

}  // namespace

const std::map<std::string, eval::GoldPosition>& GoldPositions() {
  static const std::map<std::string, eval::GoldPosition> positions = {
      {"shuffle", eval::GoldPosition::kShuffled},
      {"cycle", eval::GoldPosition::kCycled},
      {"every", eval::GoldPosition::kEvery}};
  return positions;
}

Result<std::vector<data::Example>> ReadQuestions(const std::vector<std::string>& files,
                                                 const data::ReadExamplesOptions& reading) {
  std::vector<data::Example> examples;
  for (const std::string& file : files) {
    KVLINK_ASSIGN_OR_RETURN(std::vector<data::Example> read,
                            data::ReadExamples(FileSystem::Posix(), file, reading));
    std::move(read.begin(), read.end(), std::back_inserter(examples));
  }
  return examples;
}

Result<Json> DescribeEvaluation(const eval::EvaluationOptions& options,
                                const std::vector<std::string>& files) {
  Json json = {{"seed", options.seed},
               {"limit", options.limit},
               {"documents", options.max_documents},
               {"gold_position", GoldPositionName(options.gold_position)},
               {"max_tokens", options.max_tokens},
               {"piece_words", options.piece_words},
               {"dtype", Name(options.engine.dtype)}};
  const auto add_file = [&](const std::string& name, const std::string& path) -> Status {
    if (path.empty()) {
      json[name] = "none";
      return {};
    }
    KVLINK_ASSIGN_OR_RETURN(json[name], FileHash(path));
    return {};
  };
  KVLINK_RETURN_IF_ERROR(add_file("model", options.engine.model_path));
  KVLINK_RETURN_IF_ERROR(add_file("links", options.engine.links_path));
  if (options.asks_block()) {
    KVLINK_RETURN_IF_ERROR(add_file(kBlockLinks, options.block_links_path));
  }
  Json asked = Json::array();  // in their order, as two may have one name
  for (const std::string& file : files) {
    KVLINK_ASSIGN_OR_RETURN(std::string hash, FileHash(file));
    asked.push_back({FileName(file), std::move(hash)});
  }
  json["files"] = std::move(asked);
  return json;
}

Result<eval::PredictionLog> OpenEvaluationLog(const std::string& folder, const Json& description) {
  if (folder.empty()) return eval::PredictionLog::Open("");
  FileSystem& files = FileSystem::Posix();
  KVLINK_RETURN_IF_ERROR(files.CreateDirectories(folder, FileAccess::kByUmask));
  const std::string path = folder + "/run.json";
  if (!library::FileExists(path)) {
    KVLINK_RETURN_IF_ERROR(WriteWholeFile(files, path, DumpJson(description) + "\n"));
  } else {
    KVLINK_ASSIGN_OR_RETURN(const std::string text,
                            ReadWholeFile(files, path, kMostDescriptionBytes));
    Json there = ParseBoundedJson<Json>(text);
    bool block_is_new = false;
    for (const auto& [name, value] : description.items()) {
      const bool known = there.contains(name);
      if (known && there[name] == value) continue;
      if (!known && name == kBlockLinks) {
        block_is_new = true;
        continue;
      }
      std::string message = folder;
      message.append(" holds another evaluation: ").append(name).append(" is ");
      message += known ? DumpJson(there[name]) : "not there";
      message.append(" in its run.json, and ").append(DumpJson(value));
      message += " now; choose another --out";
      return FailedPrecondition(std::move(message));
    }
    if (block_is_new) {
      there[kBlockLinks] = description[kBlockLinks];
      KVLINK_RETURN_IF_ERROR(WriteWholeFile(files, path, DumpJson(there) + "\n"));
    }
  }
  return eval::PredictionLog::Open(folder + "/predictions.jsonl");
}

EvaluationBar::EvaluationBar(Session& session)
    : bar_(session.console(), "evaluating", session.chatty()),
      start_ms_(Clock::System().MonotonicMs()) {}

bool EvaluationBar::Draw(int64_t done, int64_t total, int64_t fresh, std::string_view dataset) {
  const double passed_ms = Clock::System().MonotonicMs() - start_ms_;
  const double each = fresh > 0 ? passed_ms / static_cast<double>(fresh) : -1;
  bar_.Draw(static_cast<double>(done) / static_cast<double>(total),
            FormatCount(done) + "/" + FormatCount(total) + " " + std::string(dataset),
            each < 0 ? -1 : each * static_cast<double>(total - done));
  return !Interrupted();
}

Status EvaluateWithProgress(Engine& engine, const eval::EvaluationOptions& options,
                            const std::vector<data::Example>& examples, Session& session,
                            eval::PredictionLog* log, std::vector<std::string>* left_out) {
  EvaluationBar bar(session);
  const int64_t already = static_cast<int64_t>(log->all().size());
  return eval::Evaluate(
      engine, options, examples,
      [&](int64_t done, int64_t total, std::string_view dataset) {
        // What the log had is passed at no cost and tells nothing of the rate.
        const int64_t fresh = static_cast<int64_t>(log->all().size()) - already;
        return bar.Draw(done, total, fresh, dataset);
      },
      log, left_out);
}

Json ReportToJson(const eval::EvaluationOptions& options, const eval::Report& report) {
  Json rows = Json::array(), positions = Json::array(), paired = Json::array();
  for (const eval::Row& row : eval::RowsWithMeans(report)) rows.push_back(RowToJson(row));
  for (const eval::Row& row : report.positions) positions.push_back(RowToJson(row));
  for (const eval::Difference& d : report.differences) {
    paired.push_back({{"dataset", d.dataset},
                      {"method", d.method},
                      {"against", d.baseline},
                      {"measure", d.metric},
                      {"n", d.n},
                      {"difference", NumberOrNull(d.value)},
                      {"ci", {d.value.low, d.value.high}}});
  }
  const std::string& links = options.engine.links_path;
  Json json = {{"rows", std::move(rows)},
               {"paired", std::move(paired)},
               {"model", FileName(options.engine.model_path)},
               {"links", links.empty() ? Json() : Json(FileName(links))},
               {"seed", options.seed}};
  if (!positions.empty()) json["positions"] = std::move(positions);
  return json;
}

}  // namespace kvlink::cli
