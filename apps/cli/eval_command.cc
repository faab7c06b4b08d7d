// kvlink eval FILE...: quality and cost of methods over questions with known answers. Main path:
// ReadExamples -> ArrangeExamples -> Evaluate -> Summarise -> report.
#include <CLI/CLI.hpp>

#include <limits>

#include "cli/commands.h"
#include "cli/default_paths.h"
#include "cli/evaluation_run.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/number_option.h"
#include "data/readers.h"
#include "eval/report.h"
#include "eval/summary.h"
#include "kvlink/method.h"

namespace kvlink::cli {
namespace {

struct EvalCommandOptions {
  std::vector<std::string> files;
  eval::EvaluationOptions evaluation;
  std::string methods;  // empty: DefaultMethods
  std::string gold_position = "shuffle";
  std::string out;
};

// Links with an adapter are measured by full attention with that adapter: it has learned the
// answers' form, which the base model has not.
std::vector<std::string> DefaultMethods(const ModelSummary& model) {
  if (!model.has_adapter) return {"none", "full", "reuse", "link"};
  return {"none", "full", "full+adapter", "reuse", "link"};
}

Result<int> RunEval(EvalCommandOptions options, Session& session) {
  if (session.json()) session.KeepWarningsSilently();
  eval::EvaluationOptions& evaluation = options.evaluation;
  KVLINK_ASSIGN_OR_RETURN(evaluation.engine, session.MakeEngineOptions());
  evaluation.gold_position = GoldPositions().at(options.gold_position);
  if (!options.methods.empty()) {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<Method> methods, ParseMethods(options.methods));
    for (const Method& method : methods) evaluation.methods.push_back(Name(method));
  }
  data::ReadExamplesOptions reading;
  reading.squad_seed = evaluation.seed;
  KVLINK_ASSIGN_OR_RETURN(std::vector<data::Example> examples,
                          ReadQuestions(options.files, reading));
  examples = eval::ArrangeExamples(std::move(examples), evaluation);
  KVLINK_ASSIGN_OR_RETURN(const auto engine, eval::OpenForEvaluation(evaluation.engine));
  if (options.methods.empty()) evaluation.methods = DefaultMethods(engine->model());
  // Before the folder is made: one that holds an evaluation that cannot be is of no use.
  KVLINK_RETURN_IF_ERROR(eval::CheckEvaluation(evaluation, examples));
  KVLINK_ASSIGN_OR_RETURN(const Json description, DescribeEvaluation(evaluation, options.files));
  KVLINK_ASSIGN_OR_RETURN(eval::PredictionLog log, OpenEvaluationLog(options.out, description));

  CatchInterrupt();
  std::vector<std::string> left_out;
  const Status evaluated =
      EvaluateWithProgress(*engine, evaluation, examples, session, &log, &left_out);
  if (evaluated.code() == StatusCode::kCancelled && !options.out.empty()) {
    return Cancelled(evaluated.message() + "; the same command goes on where it stopped");
  }
  KVLINK_RETURN_IF_ERROR(evaluated);
  for (const std::string& why : left_out) session.Warn("left out: " + why);
  eval::Report report = eval::Summarise(log.all(), evaluation.methods, evaluation.seed);
  report.title = "Answers and their cost, by method";
  report.notes = {
      "model " + FileName(evaluation.engine.model_path),
      "links " +
          (evaluation.engine.links_path.empty() ? "none" : FileName(evaluation.engine.links_path)),
      "seed " + std::to_string(evaluation.seed) + " of the documents' order"};
  if (!left_out.empty()) {
    report.notes.push_back(FormatCounted(static_cast<int64_t>(left_out.size()), "question") +
                           " left out by every method; the first: " + left_out[0]);
  }
  Json json = ReportToJson(evaluation, report);
  json["left_out"] = left_out;
  if (!options.out.empty()) {
    FileSystem& files = FileSystem::Posix();
    KVLINK_RETURN_IF_ERROR(
        WriteWholeFile(files, options.out + "/report.html", eval::ReportHtml(report)));
    KVLINK_RETURN_IF_ERROR(
        WriteWholeFile(files, options.out + "/report.json", DumpJson(json) + "\n"));
  }
  if (session.json()) {
    PrintJson(json);
  } else {
    PrintText(eval::ReportText(report));
    if (!options.out.empty() && session.chatty()) {
      KVLINK_RETURN_IF_ERROR(FlushOutput());
      session.console().Line("written: " + options.out +
                             "/report.html, report.json, predictions.jsonl");
    }
  }
  return 0;
}

}  // namespace

void AddEvalCommand(CLI::App& app, Command* command) {
  auto options = std::make_shared<EvalCommandOptions>();
  eval::EvaluationOptions& evaluation = options->evaluation;
  CLI::App* sub = app.add_subcommand(
      "eval", "Measure answers and their cost, by method, over questions with known answers");
  sub->add_option("FILE", options->files,
                  "Questions: JSON lines {question, answers, documents, gold}, or the layouts of "
                  "NaturalQuestions, HotpotQA, 2WikiMultiHopQA, MuSiQue, SQuAD; may be gzip'd")
      ->required();
  sub->add_option(
         "--methods", options->methods,
         "Methods to compare (docs/methods.md) [none, full, full+adapter if the links have one, "
         "reuse, link]")
      ->check([](const std::string& list) { return ParseMethods(list).status().message(); })
      ->type_name("METHOD,...");
  sub->add_option("--block-links", evaluation.block_links_path,
                  "Link file of method block (K = 0, with an adapter of its own)")
      ->type_name("FILE");
  sub->add_option("--limit", evaluation.limit, "Examples of each data set; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
      ->type_name("N");
  sub->add_option("--documents", evaluation.max_documents,
                  "At most N documents an example, those with the answer first; 0: all")
      ->check(CLI::Range(0, 10000))
      ->type_name("N");
  sub->add_option(
         "--gold-position", options->gold_position,
         "Where the document with the answer stands: shuffle, cycle (question i at position i "
         "modulo n), every (each question once a position)")
      ->check(CLI::IsMember({"shuffle", "cycle", "every"}))
      ->capture_default_str();
  sub->add_option("--seed", evaluation.seed, "Of the documents' order and the intervals")
      ->check(WholeNumber(0, std::numeric_limits<uint64_t>::max()))
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("--max-tokens", evaluation.max_tokens,
                  "Most tokens of an answer; 0: only the gold answer's loss")
      ->check(CLI::Range(0, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("--out", options->out,
                  "Folder for predictions.jsonl, report.html and report.json; a run that was "
                  "stopped goes on from what is there")
      ->type_name("DIR");
  sub->callback([command, options] {
    *command = [options](Session& session) { return RunEval(*options, session); };
  });
}

}  // namespace kvlink::cli
