// kvlink check: does linking hold on this model and this machine? With --quality: check_quality.cc.
#include "diagnose/check.h"

#include <CLI/CLI.hpp>

#include <algorithm>

#include "cli/check_quality.h"
#include "cli/commands.h"
#include "cli/json_output.h"
#include "eval/quality_gate.h"

namespace kvlink::cli {
namespace {

void Print(const diagnose::CheckReport& report, Session& session) {
  if (session.json()) {
    Json items = Json::array();
    for (const diagnose::CheckItem& item : report.items) {
      items.push_back({{"name", item.name},
                       {"what", item.what},
                       {"result", item.result},
                       {"value", item.value},
                       {"limit", item.limit},
                       {"is_gate", item.is_gate},
                       {"passed", item.passed}});
    }
    PrintJson({{"passed", report.passed},
               {"gate_note", report.gate_note},
               {"items", std::move(items)},
               {"warnings", session.warnings()}});
    return;
  }
  if (session.options().quiet) return;
  std::string out;
  for (const diagnose::CheckItem& item : report.items) {
    const char* mark = !item.is_gate ? "figure  " : item.passed ? "passed  " : "FAILED  ";
    out += mark + item.what + "\n        " + item.result + "\n";
  }
  PrintText(out + "quality " + CleanLine(report.gate_note) + "\n");
}

Result<int> RunCheckCommand(Session& session) {
  if (session.json()) session.KeepWarningsSilently();
  KVLINK_ASSIGN_OR_RETURN(const EngineOptions options, session.MakeEngineOptions());
  const bool show_steps = session.chatty();
  Console& console = session.console();
  const Result<diagnose::CheckReport> report =
      diagnose::RunCheck(options, [&](std::string_view step) {
        if (show_steps) console.Transient("checking: " + std::string(step));
      });
  console.WipeTransient();
  if (!report.ok()) return report.status();
  Print(*report, session);
  if (report->passed) return 0;
  const auto failed = std::count_if(report->items.begin(), report->items.end(),
                                    [](const diagnose::CheckItem& item) { return !item.passed; });
  return Status(StatusCode::kInternal,
                "check: " + std::to_string(failed) + " of " + std::to_string(report->items.size()) +
                    " checks failed: answers of this model on this machine are not to be trusted");
}

}  // namespace

void AddCheckCommand(CLI::App& app, Command* command) {
  struct Given {
    bool quality = false, record = false;
    QualityOptions options;
  };
  auto given = std::make_shared<Given>();
  CLI::App* sub = app.add_subcommand(
      "check", "Check that linking is exact here; --quality: what it costs in answers");
  CLI::Option* quality =
      sub->add_flag("--quality", given->quality,
                    "Instead, measure the links in use against full attention, and record the "
                    "result in the link file, where every answer looks for it");
  sub->add_option("--data", given->options.data,
                  "Your own questions, beside the built-in ones; files as of eval")
      ->type_name("FILE")
      ->needs(quality);
  CLI::Option* limit =
      sub->add_option("--limit", given->options.limit,
                      "The first N questions of each data set, 0: all [" +
                          std::to_string(eval::kGateSample) + " of each, evenly chosen]")
          ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
          ->type_name("N")
          ->needs(quality);
  sub->add_flag("--full", given->options.full, "All questions: takes some ten minutes")
      ->needs(quality)
      ->excludes(limit);
  CLI::Option* record =
      sub->add_flag("--record,!--no-record", given->record,
                    "Whether to record the result [if the link file can be written and records "
                    "nothing that more questions say, and no --limit is given]")
          ->needs(quality);
  sub->callback([command, given, record, limit] {
    if (limit->count() > 0 && given->options.limit == 0) given->options.full = true;
    if (record->count() > 0) given->options.record = given->record;
    *command = given->quality ? Command([given](Session& session) {
      return RunQualityCheck(given->options, session);
    })
                              : Command(RunCheckCommand);
  });
}

}  // namespace kvlink::cli
