// kvlink bench: rates and times to the first token on this machine.
#include <CLI/CLI.hpp>

#include <cmath>
#include <memory>

#include "cli/commands.h"
#include "cli/json_output.h"
#include "engine/bench.h"

namespace kvlink::cli {
namespace {

double Rounded(double value) { return std::round(value * 100) / 100; }

Json ToJson(const BenchReport& report) {
  Json json, best, units;
  for (const BenchFigure& f : report.figures) {
    json[f.key] = Rounded(f.median);
    best[f.key] = Rounded(f.best);
    units[f.key] = f.unit;
  }
  json["best"] = best;
  json["units"] = units;
  json["machine"] = {{"cpu", report.cpu}, {"threads", report.threads}};
  json["model"] = report.model;
  json["dtype"] = report.dtype;
  json["compute"] = report.compute;
  json["memory"] = {{"peak_bytes", report.peak_bytes},
                    {"weight_bytes", report.weight_bytes},
                    {"kv_bytes", report.kv_bytes},
                    {"kv_own_bytes", report.kv_own_bytes}};
  return json;
}

Result<int> RunCommand(Session& session, const BenchOptions& bench) {
  KVLINK_ASSIGN_OR_RETURN(const EngineOptions options, session.MakeEngineOptions(true));
  KVLINK_ASSIGN_OR_RETURN(
      const BenchReport report, RunBench(options, bench, [&](std::string_view step) {
        if (session.chatty()) {
          session.console().Transient("measuring: " + std::string(step) + " ...");
        }
      }));
  session.console().WipeTransient();
  if (session.json()) {
    PrintJson(ToJson(report));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  char number[32];
  for (const BenchFigure& f : report.figures) {
    std::vector<std::string> row = {f.key};
    for (const double value : {f.median, f.best}) {
      std::snprintf(number, sizeof number, "%.1f", value);
      row.emplace_back(number);
    }
    row.push_back(f.unit);
    row.push_back(std::to_string(f.runs));
    rows.push_back(std::move(row));
  }
  PrintText(FormatTable({{"figure"}, {"median", true}, {"best", true}, {"unit"}, {"runs", true}},
                        rows, 0));
  PrintText(Printable(report.model, false) + ", " + report.dtype + " (" + report.compute + "), " +
            std::to_string(report.threads) + " threads, " + Printable(report.cpu, false) + "\n");
  if (report.kv_bytes > 0) {
    PrintText("peak memory " + FormatBytes(report.peak_bytes) + " with weights of " +
              FormatBytes(report.weight_bytes) + " and KV of " + FormatBytes(report.kv_bytes) +
              " in use, of which the request owned " + FormatBytes(report.kv_own_bytes) + "\n");
  }
  return 0;
}

}  // namespace

void AddBenchCommand(CLI::App& app, Command* command) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* bench = app.add_subcommand("bench", "Rates and times to the first token, here");
  bench->add_flag("--quick", options->quick, "Fewer runs, no prefill of 2,048 tokens");
  bench->add_option("--only", options->only, "Only these figures")
      ->delimiter(',')
      ->check(CLI::IsMember({"prefill_512", "prefill_2048", "link_64_on_2048", "decode",
                             "ttft_full_ms", "ttft_linked_ms"}));
  bench->callback([command, options] {
    *command = [options](Session& session) { return RunCommand(session, *options); };
  });
}

}  // namespace kvlink::cli
