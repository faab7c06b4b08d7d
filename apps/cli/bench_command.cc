// kvlink bench: the engine's rates on this machine.
#include "diagnose/bench.h"

#include <CLI/CLI.hpp>

#include <array>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/json_output.h"
#include "cli/number_option.h"
#include "diagnose/bench_serve.h"

namespace kvlink::cli {
namespace {

void AddSubject(const diagnose::BenchSubject& subject, Json* json) {
  (*json)["machine"] = {{"cpu", subject.cpu}, {"threads", subject.threads}};
  (*json)["model"] = subject.model;
  (*json)["dtype"] = subject.dtype;
  (*json)["compute"] = subject.compute;
}

std::string Describe(const diagnose::BenchSubject& subject) {
  return subject.cpu + ", " + std::to_string(subject.threads) + " threads, " + subject.model +
         ", " + subject.dtype + ", " + subject.compute;
}

// The medians stand at the top, each under its key.
Json ToJson(const diagnose::BenchReport& report) {
  Json json = Json::object();
  Json best = Json::object(), units = Json::object(), runs = Json::object();
  for (const diagnose::BenchFigure& figure : report.figures) {
    json[figure.key] = figure.median;
    best[figure.key] = figure.best;
    units[figure.key] = figure.unit;
    runs[figure.key] = figure.runs;
  }
  AddSubject(report.subject, &json);
  json["peak_bytes"] = report.peak_bytes;
  json["weight_bytes"] = report.weight_bytes;
  json["kv_bytes"] = report.kv_bytes;
  json["kv_own_bytes"] = report.kv_own_bytes;
  json["best"] = std::move(best);
  json["units"] = std::move(units);
  json["runs"] = std::move(runs);
  return json;
}

std::string Number(double value) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.1f", value);
  return buffer.data();
}

void PrintTable(const diagnose::BenchReport& report, int width) {
  std::vector<std::vector<std::string>> rows;
  for (const diagnose::BenchFigure& figure : report.figures) {
    rows.push_back({figure.key, Number(figure.median), Number(figure.best), figure.unit,
                    std::to_string(figure.runs)});
  }
  PrintText(Describe(report.subject) + "\n\n" +
            FormatTable({{"FIGURE"}, {"MEDIAN", true}, {"BEST", true}, {"UNIT"}, {"RUNS", true}},
                        rows, width) +
            (report.peak_bytes == 0  // recorded by a linked answer
                 ? ""
                 : "\npeak memory " + FormatBytes(report.peak_bytes) + ": weights " +
                       FormatBytes(report.weight_bytes) + ", KV in use " +
                       FormatBytes(report.kv_bytes) + ", of which the request's own " +
                       FormatBytes(report.kv_own_bytes) + "\n"));
}

Json ToJson(const diagnose::ServeReport& report) {
  Json json = Json::object(), rows = Json::array();
  for (const diagnose::ServeRow& row : report.rows) {
    rows.push_back({{"requests", row.requests},
                    {"tokens_per_s", row.tokens_per_s},
                    {"ttft_p50_ms", row.ttft_p50_ms},
                    {"ttft_p95_ms", row.ttft_p95_ms},
                    {"answers", row.answers},
                    {"differ", row.differ},
                    {"memory_growth_percent",
                     row.memory_growth_percent ? Json(*row.memory_growth_percent) : Json()}});
  }
  json["rows"] = std::move(rows);
  json["behind_prefill"] = {{"prefill_tokens", report.behind_prefill.prefill_tokens},
                            {"ttft_alone_ms", report.behind_prefill.ttft_alone_ms},
                            {"ttft_behind_ms", report.behind_prefill.ttft_behind_ms}};
  AddSubject(report.subject, &json);
  return json;
}

void PrintTable(const diagnose::ServeReport& report, int width) {
  std::vector<std::vector<std::string>> rows;
  for (const diagnose::ServeRow& row : report.rows) {
    rows.push_back({std::to_string(row.requests), Number(row.tokens_per_s), Number(row.ttft_p50_ms),
                    Number(row.ttft_p95_ms), std::to_string(row.answers),
                    std::to_string(row.differ),
                    row.memory_growth_percent ? Number(*row.memory_growth_percent) : "-"});
  }
  PrintText(Describe(report.subject) + "\n\n" +
            FormatTable({{"REQUESTS AT ONCE", true},
                         {"TOKENS/S", true},
                         {"TTFT P50 MS", true},
                         {"P95 MS", true},
                         {"ANSWERS", true},
                         {"UNLIKE ALONE", true},
                         {"MEMORY +%", true}},
                        rows, width) +
            "\nfirst token of a linked question: " + Number(report.behind_prefill.ttft_alone_ms) +
            " ms alone, " + Number(report.behind_prefill.ttft_behind_ms) +
            " ms while a prompt of " + FormatCount(report.behind_prefill.prefill_tokens) +
            " tokens is computed\n");
}

// `measure` is called with what hears of its steps.
template <class Measure>
Result<int> RunAndPrint(const Measure& measure, Session& session) {
  const bool show_steps = session.chatty();
  Console& console = session.console();
  const auto report = measure([&](std::string_view step) {
    if (show_steps) console.Transient("measuring: " + std::string(step));
  });
  console.WipeTransient();
  if (!report.ok()) return report.status();
  if (session.json()) {
    PrintJson(ToJson(*report));
  } else {
    PrintTable(*report, console.out_width());
  }
  return 0;
}

Result<int> RunBenchCommand(diagnose::BenchOptions bench, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(EngineOptions options, session.MakeEngineOptions());
  // Figures compare over models: without links, unless some were asked for. Those that answers
  // would use have a figure of their own.
  if (!session.links_named()) bench.link_file = std::exchange(options.links_path, "");
  return RunAndPrint(
      [&](const auto& progress) { return diagnose::RunBench(options, bench, progress); }, session);
}

Result<int> RunServe(const diagnose::ServeOptions& bench, Session& session) {
  KVLINK_ASSIGN_OR_RETURN(const EngineOptions options, session.MakeEngineOptions());
  return RunAndPrint(
      [&](const auto& progress) { return diagnose::RunBenchServe(options, bench, progress); },
      session);
}

}  // namespace

void AddBenchCommand(CLI::App& app, Command* command) {
  auto options = std::make_shared<diagnose::BenchOptions>();
  CLI::App* sub = app.add_subcommand("bench", "Measure the engine's rates on this machine");
  sub->add_flag("--quick", options->quick, "Fewer runs, no prefill of 2,048 tokens");
  sub->add_option("--only", options->only, "Only these figures, by key")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(diagnose::BenchKeys()))
      ->type_name("KEY,...");
  auto serving = std::make_shared<diagnose::ServeOptions>();
  CLI::App* serve =
      sub->add_subcommand("serve", "Measure many requests at once over shared documents");
  serve->add_option("--requests", serving->requests, "How many are in flight, 1 to 256 each")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 256))
      ->type_name("N,...");
  serve
      ->add_option("--answers", serving->answers,
                   "How many a row [twice as many as in flight, 8 at least]; from 200 on the "
                   "growth of memory is told")
      ->check(WholeNumber(1, 1'000'000))
      ->type_name("N");
  serve->callback([command, serving] {
    *command = [serving](Session& session) { return RunServe(*serving, session); };
  });
  sub->callback([command, options, serve] {
    if (serve->parsed()) return;
    *command = [options](Session& session) { return RunBenchCommand(*options, session); };
  });
}

}  // namespace kvlink::cli
