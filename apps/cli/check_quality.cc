#include "cli/check_quality.h"

#include <filesystem>
#include <map>

#include "base/absolute_path.h"
#include "base/bounded_json.h"
#include "base/quote.h"
#include "cli/default_paths.h"
#include "cli/evaluation_run.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "eval/quality_gate.h"
#include "eval/report.h"
#include "formats/safetensors.h"
#include "links/gate.h"

namespace kvlink::cli {
namespace {

// Whether the result goes into the link file, and why or why not.
struct Recording {
  bool wanted = false;
  std::string why_not;  // one line; empty: it is recorded
};

// A record is published by rename, so its folder has to be writable too.
bool CanReplace(const std::string& path) {
  const std::string folder = std::filesystem::path(AbsolutePath(path)).parent_path().string();
  return library::IsWritable(path) && library::IsWritable(folder);
}

// Why what will be asked says too little to be recorded; empty: it does not.
std::string TooFew(const QualityOptions& options, const std::vector<data::Example>& own) {
  const std::string asked = " says too little: at least " + std::to_string(eval::kGateQuestions) +
                            " questions of each data set are asked";
  if (options.limit > 0 && options.limit < eval::kGateQuestions) {
    return "--limit " + std::to_string(options.limit) + asked;
  }
  std::map<std::string, int64_t> counts;
  for (const data::Example& e : own) ++counts[e.dataset];
  for (const auto& [dataset, n] : counts) {
    if (n < eval::kGateQuestions) {
      return "--data " + Quoted(dataset) + " with " + FormatCounted(n, "question") + asked;
    }
  }
  return "";
}

// Of the record that stands in the file; 0: there is none, or no file. One that cannot be read may
// hold a record that must not be replaced by less.
Result<int64_t> RecordedQuestions(const std::string& links_path) {
  const auto file = formats::SafetensorsFile::Open(FileSystem::Posix(), links_path);
  if (file.code() == StatusCode::kNotFound) return 0;
  if (!file.ok()) return file.status();
  const auto gate = (*file)->metadata().find("gate");
  if (gate == (*file)->metadata().end()) return 0;
  const Json record = ParseBoundedJson<Json>(gate->second);
  if (!record.is_object() || !record.contains("figures")) return 0;
  return eval::QuestionsOf(DumpJson(record["figures"]));
}

// "30 of 120 questions, evenly chosen (--full asks all)"
std::string AskedOf(const eval::GateResult& result, const QualityOptions& options) {
  if (result.asked == result.of) return "all " + FormatCounted(result.of, "question");
  return FormatCount(result.asked) + " of " + FormatCounted(result.of, "question") +
         (options.limit > 0 ? ", the first of each data set" : ", evenly chosen") +
         " (--full asks all)";
}

// Decided before minutes of measuring are spent.
Result<Recording> ChooseRecording(const QualityOptions& options,
                                  const std::vector<data::Example>& own,
                                  const EngineOptions& engine) {
  const std::string& links_path = engine.links_path;
  const bool asked = options.record.value_or(false);
  if (links_path.empty()) {
    if (asked) {
      return FailedPrecondition(
          "check: --record needs a link file to record in, and none is in use; give one with "
          "--links FILE");
    }
    return Recording{false, "there is no link file to record it in"};
  }
  if (!engine.prompt_template.empty()) {
    const std::string why = "--template writes prompts otherwise than the link file says";
    if (asked) return FailedPrecondition("check: --record: " + why);
    return Recording{false, why};
  }
  if (options.record && !*options.record) return Recording{false, "--no-record was given"};
  if (const std::string why = TooFew(options, own); !why.empty()) {
    if (asked) return FailedPrecondition("check: --record: " + why);
    return Recording{false, why};
  }
  if (!asked && options.limit > 0) {
    return Recording{false, "--limit left questions out; --record would record it all the same"};
  }
  KVLINK_ASSIGN_OR_RETURN(const int64_t more, RecordedQuestions(links_path));
  if (!asked && !options.full && more > eval::kGateSample) {
    return Recording{false, "the link file records what " + FormatCounted(more, "question") +
                                " say; --full asks all, --record replaces it"};
  }
  if (!CanReplace(links_path)) {
    const std::string why = "the link file " + links_path + " cannot be written";
    if (asked) return FailedPrecondition("check: --record: " + why);
    return Recording{false, why};
  }
  return Recording{true, ""};
}

// kFailedPrecondition: too few questions were asked, or the file is not the one that was measured.
Status Record(const eval::GateResult& result, const std::string& path) {
  if (!result.verdict.too_few.empty()) return FailedPrecondition(result.verdict.too_few);
  FileSystem& files = FileSystem::Posix();
  links::GateRecord record{.passed = result.verdict.passed,
                           .summary = result.verdict.summary,
                           .figures = result.verdict.figures,
                           .model = {},
                           .links = {},
                           .data = {}};
  KVLINK_ASSIGN_OR_RETURN(record.model, DigestFromHex(result.model));
  KVLINK_ASSIGN_OR_RETURN(record.links, DigestFromHex(result.links));
  KVLINK_ASSIGN_OR_RETURN(record.data, DigestFromHex(result.data));
  KVLINK_ASSIGN_OR_RETURN(const auto file, formats::SafetensorsFile::Open(files, path));
  if (links::LinksContentHash(*file) != record.links) {
    return FailedPrecondition("the link file " + path +
                              " was changed while it was measured; copy it, and measure the copy");
  }
  KVLINK_ASSIGN_OR_RETURN(const std::string gate, links::SignedGate(record));
  return links::RecordGate(files, path, gate);
}

void Print(const eval::GateResult& result, const QualityOptions& options,
           const Recording& recording, Session& session) {
  const eval::GateVerdict& verdict = result.verdict;
  const std::string& links = result.evaluation.engine.links_path;
  if (session.json()) {
    Json json = {{"passed", verdict.passed},
                 {"summary", verdict.summary},
                 {"shortfall", verdict.shortfall},
                 {"limits",
                  {{"recovered", eval::kGateRecovered},
                   {"f1", eval::kGateF1},
                   {"questions", eval::kGateQuestions}}},
                 {"data", result.data},
                 {"questions", {{"asked", result.asked}, {"of", result.of}}},
                 {"recorded", recording.why_not.empty()},
                 {"why_not_recorded", recording.why_not}};
    json.update(ReportToJson(result.evaluation, result.report));
    json["warnings"] = session.warnings();
    PrintJson(json);
    return;
  }
  if (session.options().quiet) return;
  std::string text = eval::ReportText(result.report) + "\n";
  if (links.empty()) text += "measured  K = 0 and nothing trained: no link file is in use\n";
  text += "asked     " + AskedOf(result, options) + "\n";
  text += verdict.passed
              ? "passed    " + verdict.summary + "\n"
              : "measured  " + verdict.summary + "\nfell short: " + verdict.shortfall + "\n";
  text += recording.why_not.empty() ? "recorded in " + links + "\n"
                                    : "not recorded: " + recording.why_not + "\n";
  PrintText(text);
}

}  // namespace

Result<int> RunQualityCheck(const QualityOptions& options, Session& session) {
  if (session.json()) session.KeepWarningsSilently();
  eval::GateOptions gate;
  KVLINK_ASSIGN_OR_RETURN(gate.engine, session.MakeEngineOptions());
  gate.limit = options.limit;
  gate.sample = options.full ? 0 : eval::kGateSample;
  const std::string& links = gate.engine.links_path;
  data::ReadExamplesOptions reading;
  reading.limit = options.limit;
  KVLINK_ASSIGN_OR_RETURN(std::vector<data::Example> own, ReadQuestions(options.data, reading));
  KVLINK_ASSIGN_OR_RETURN(Recording recording, ChooseRecording(options, own, gate.engine));

  CatchInterrupt();
  EvaluationBar bar(session);
  Result<eval::GateResult> result = eval::MeasureGate(
      gate, std::move(own), [&](int64_t done, int64_t total, std::string_view dataset) {
        return bar.Draw(done, total, /*fresh=*/done, dataset);
      });
  session.console().WipeTransient();
  if (!result.ok()) return result.status();
  result->report.title = "Linked answers against full attention";
  result->report.notes = {"model " + FileName(gate.engine.model_path),
                          "links " + (links.empty() ? std::string("none") : FileName(links)),
                          "questions over texts written for this, none of which a model can know" +
                              (options.data.empty() ? std::string() : ", and your own")};
  Status recorded;
  if (recording.wanted) {
    recorded = Record(*result, links);
    recording.why_not = recorded.message();
  }
  Print(*result, options, recording, session);
  KVLINK_RETURN_IF_ERROR(FlushOutput());
  if (!recorded.ok()) return Status(recorded.code(), "check: not recorded: " + recorded.message());
  if (result->verdict.passed) return 0;
  return FailedPrecondition("check: quality fell short: " + result->verdict.shortfall);
}

}  // namespace kvlink::cli
