// kvlink check: does linking hold on this model and this machine?
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/json_output.h"
#include "engine/check.h"

namespace kvlink::cli {
namespace {

Result<int> Check(Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const EngineOptions options, session.MakeEngineOptions(true));
  KVLINK_ASSIGN_OR_RETURN(
      const CheckReport report, RunCheck(options, [&](std::string_view step) {
        if (session.chatty()) {
          session.console().Transient("checking: " + std::string(step) + " ...");
        }
      }));
  session.console().WipeTransient();
  if (session.json()) {
    Json items = Json::array();
    for (const CheckItem& item : report.items) {
      Json line = {
          {"name", item.name}, {"what", item.what}, {"result", item.result}, {"value", item.value}};
      if (item.is_gate) {
        line["limit"] = item.limit;
        line["passed"] = item.passed;
      }
      items.push_back(std::move(line));
    }
    PrintJson({{"passed", report.passed}, {"checks", items}, {"gate", report.gate_note}});
    return report.passed ? 0 : 1;
  }
  std::vector<std::vector<std::string>> rows;
  for (const CheckItem& item : report.items) {
    rows.push_back({!item.is_gate ? "figure"
                    : item.passed ? "ok"
                                  : "FAILED",
                    item.what, item.result});
  }
  PrintText(FormatTable({{""}, {"compared"}, {"result"}}, rows, 0));
  PrintText("quality  " + Printable(report.gate_note, false) + "\n");
  return report.passed ? 0 : 1;
}

}  // namespace

void AddCheckCommand(CLI::App& app, Command* command) {
  app.add_subcommand("check", "Does linking hold on this model and this machine?")
      ->callback([command] { *command = Check; });
}

}  // namespace kvlink::cli
