// kvlink ask QUESTION: finds documents, links their blocks, answers. Main path: Run -> Engine::Ask.
#include <CLI/CLI.hpp>

#include <limits>
#include <optional>

#include "cli/answer_output.h"
#include "cli/answer_support.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/model_file.h"
#include "cli/number_option.h"
#include "cli/sources_output.h"
#include "cli/standard_input.h"
#include "kvlink/method.h"
#include "retrieval/choose_passages.h"
#include "retrieval/question.h"

namespace kvlink::cli {
namespace {

struct AskOptions {
  std::vector<std::string> question;   // its words, as a shell parts them; "-": standard input
  std::optional<int> top_k;            // most passages from search; none: as many as answer best
  std::vector<std::string> documents;  // ids, files, patterns; not empty: no search
  Method method;
  bool explain = false;
  bool compare = false;
  bool keep_answer = false;
  std::string answer_title;
  bool logprobs = false;
  std::string sources = "short";  // or none, full
  bool sources_given = false;
  Request request;  // what goes to the engine as it is
};

// --mode: "linked" is the method "link"; all others go by their own names.
Result<Method> ParseMode(const std::string& mode) {
  return ParseMethod(mode == "linked" ? "link" : mode);
}

Result<std::string> ReadQuestion(const std::vector<std::string>& words) {
  const bool piped = words.size() == 1 && words[0] == "-";
  std::string text;
  if (piped) {
    constexpr int64_t kMostBytes = 1 << 20;
    KVLINK_ASSIGN_OR_RETURN(
        text, ReadStandardInput(kMostBytes, "a long text is indexed first: kvlink index -"));
  } else {
    text = CLI::detail::join(words, " ");
  }
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (piped && text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  while (piped && !text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) {
    return InvalidArgument(piped ? "the question from standard input is empty"
                                 : "the question is empty");
  }
  return text;
}

// The answer stands, whatever becomes of this.
bool WantsLogprobs(const AskOptions& options) {
  return options.logprobs || options.request.top_logprobs > 0;
}

// --quiet means the answer alone, unless sources were asked for too.
bool ShowsSources(const AskOptions& options, const Session& session) {
  return options.sources != "none" && (options.sources_given || !session.options().quiet);
}

// Not among the answer's warnings: JSON has finish_reason.
void SayCut(const Request& request, Session& session) {
  session.log()(Severity::kWarning, "the answer was cut at --max-tokens " +
                                        std::to_string(request.max_tokens) +
                                        "; give more for all of it");
}

// Whether the method answers over blocks.
bool IsLinked(const Method& method) {
  return method.kind != MethodKind::kFull && method.kind != MethodKind::kFullAdapter &&
         method.kind != MethodKind::kNone && method.kind != MethodKind::kNoneBase;
}

// Links were trained behind the template's own system text, to answer questions shortly.
void WarnOfSystem(const Request& request, const ModelSummary& model, Session& session) {
  if (request.system.empty() || model.links_path.empty()) return;
  if (!IsLinked(request.method)) return;
  session.Warn(
      "--system: the links in use were trained with the template's own system text, and "
      "may not follow another; --mode full does as far as the model can");
}

// Links that were trained on short answers give them whatever is asked.
void WarnOfText(const Request& request, const ModelSummary& model, Session& session) {
  if (model.links_path.empty() || request.method != Method()) return;
  if (!retrieval::WantsText(request.question)) return;
  session.Warn(
      "the links in use answer in a few words; for a summary, an explanation or a comparison ask "
      "with --mode full");
}

// What is not in the documents: said, or with --strict an error in the answer's place.
Status WarnOrRefuse(const AnswerSupport& support, bool strict, Session& session) {
  const std::string warning = NotFoundWarning(support);
  if (warning.empty()) return {};
  if (strict) return FailedPrecondition(warning + "; without --strict the answer is shown");
  session.Warn(warning);
  return {};
}

// The same question both ways: linked first, so that documents without a block are encoded then.
Result<int> Compare(Library& library, const ModelSummary& model, Request request,
                    const Passages& passages, const AskOptions& options, Session& session) {
  const auto go_on = [](std::string_view) { return !Interrupted(); };
  request.method = {};
  KVLINK_ASSIGN_OR_RETURN(const LibraryAnswer linked, library.AskOver(request, passages, go_on));
  if (Interrupted()) return Cancelled("ask: stopped");
  // Near the context's end link tokens leave less room: both answers from the same documents.
  Passages stayed;
  stayed.coverage = passages.coverage;
  for (size_t i = 0; i < passages.documents.size(); ++i) {
    if (linked.answer.document_uses[i].status == DocumentStatus::kDropped) continue;
    stayed.documents.push_back(passages.documents[i]);
  }
  // Like with like: both differ by linking alone.
  request.method = {model.has_adapter ? MethodKind::kFullAdapter : MethodKind::kFull};
  request.sampling.seed = linked.answer.seed;
  KVLINK_ASSIGN_OR_RETURN(const LibraryAnswer full, library.AskOver(request, stayed, go_on));
  for (const std::string& warning : linked.answer.warnings) session.Warn(warning);
  if (Interrupted()) return Cancelled("ask: stopped");
  KVLINK_RETURN_IF_ERROR(WarnOrRefuse(linked.support, request.strict, session));
  if (session.json()) {
    const auto json = [&](const LibraryAnswer& of) {
      Json answer = AnswerToJson(of.answer, of.passages.documents, model, session.warnings(),
                                 WantsLogprobs(options));
      AddSupport(of.support, of.passages.documents, &answer);
      return answer;
    };
    PrintJson(
        {{"linked", json(linked)}, {"full", json(full)}, {"full_method", Name(request.method)}});
  } else {
    PrintText(DescribeComparison(full.answer, linked.answer, model.has_adapter,
                                 ShowsSources(options, session), passages.documents,
                                 session.console().out_width()));
    if (IsCut(full.answer) || IsCut(linked.answer)) SayCut(request, session);
  }
  return 0;
}

Json ToJson(const KeptAnswer& kept) {
  return {{"id", kept.document.id},         {"title", kept.document.title},
          {"source", kept.document.source}, {"tokens", kept.tokens},
          {"status", Name(kept.status)},    {"encode_ms", kept.encode_ms}};
}

Result<int> RunAsk(const AskOptions& options, Session& session) {
  if (session.json()) session.KeepWarningsSilently();
  if (WantsLogprobs(options) && !session.json()) {
    session.Warn(std::string(options.logprobs ? "--logprobs" : "--top-logprobs") +
                 " are reported by --json alone");
  }
  Request request = options.request;
  KVLINK_ASSIGN_OR_RETURN(request.question, ReadQuestion(options.question));
  KVLINK_ASSIGN_OR_RETURN(const auto library, session.OpenLibrary());
  KVLINK_ASSIGN_OR_RETURN(const Passages passages,
                          library->Find({request, options.documents, options.top_k}));
  request.method = options.method;
  request.require_gate = request.strict;
  request.want_prompt = options.explain || session.json();
  // Before anything is answered, so that an answer is not lost to a store that cannot take it.
  if (options.keep_answer) {
    const Status can = library->CheckKeeping();
    if (!can.ok()) return Status(can.code(), "--keep-answer: " + can.message());
  }
  KVLINK_ASSIGN_OR_RETURN(const Engine* const engine, library->OpenEngine());
  CatchInterrupt();
  const bool has_documents = !passages.documents.empty();
  if (options.keep_answer && !engine->model().why_not_linkable.empty()) {
    return Unsupported(
        "--keep-answer: this model cannot be linked, so that a block would be of no "
        "use: " +
        engine->model().why_not_linkable);
  }
  if (has_documents) WarnOfSystem(request, engine->model(), session);
  if (has_documents) WarnOfText(request, engine->model(), session);
  if (options.compare) {
    return Compare(*library, engine->model(), request, passages, options, session);
  }
  // People see the answer grow; a program gets it whole. With --explain the plan comes first.
  // With --strict nobody sees an answer that is then refused.
  const bool stream =
      session.console().out_is_terminal() && !session.json() && !options.explain && !request.strict;
  const auto sink = [stream](std::string_view text) {
    if (stream) {
      PrintData(text);
      if (!FlushOutput().ok()) return false;
    }
    return !Interrupted();
  };
  KVLINK_ASSIGN_OR_RETURN(const LibraryAnswer result, library->AskOver(request, passages, sink));
  const Answer& answer = result.answer;
  const AnswerSupport& support = result.support;
  const std::vector<IndexedDocument>& documents = passages.documents;
  for (const std::string& warning : answer.warnings) session.Warn(warning);
  // Behind the answer that people see growing.
  if (!stream) KVLINK_RETURN_IF_ERROR(WarnOrRefuse(support, request.strict, session));

  std::optional<Result<KeptAnswer>> kept;  // none: not asked for, or the answer was stopped
  const auto keep = [&] {
    if (!options.keep_answer || Interrupted()) return;
    if (answer.finish_reason == FinishReason::kLength) {
      session.Warn("--keep-answer: the answer ended at --max-tokens " +
                   std::to_string(request.max_tokens) + " and is kept unfinished");
    }
    kept = library->Keep(answer.text, options.answer_title);
  };
  if (session.json()) {
    keep();
    Json json = AnswerToJson(answer, documents, engine->model(), session.warnings(),
                             WantsLogprobs(options));
    AddSupport(support, documents, &json);
    if (options.keep_answer) json["kept"] = kept && kept->ok() ? ToJson(**kept) : Json();
    PrintJson(json);
  } else {
    if (options.explain) {
      KVLINK_ASSIGN_OR_RETURN(const auto tokenizer, ReadTokenizer(engine->model().path));
      PrintText(ExplainPrompt(answer, *tokenizer, session.console().out_width()) + "\n");
    }
    PrintData(stream ? "\n" : answer.text + "\n");
    const std::string sources =
        DescribeSources(answer, documents, support.evidence, options.sources == "full");
    if (!sources.empty() && ShowsSources(options, session)) PrintText("\n" + sources);
    KVLINK_RETURN_IF_ERROR(FlushOutput());
    if (IsCut(answer) && !options.keep_answer) SayCut(request, session);
    Console& console = session.console();
    if ((console.out_is_terminal() || console.err_is_terminal()) && session.chatty()) {
      ShowAnswer(answer, documents, console);
    }
    if (answer.seed && !request.sampling.seed && session.chatty()) {
      session.console().Line("drawn with --seed " + std::to_string(*answer.seed));
    }
    if (stream) KVLINK_RETURN_IF_ERROR(WarnOrRefuse(support, request.strict, session));
    keep();  // people have read the answer by then
    if (kept && kept->ok() && session.chatty()) {
      session.console().Line("kept as document " + (*kept)->document.id + " (" +
                             FormatCount((*kept)->tokens) + " tokens, " +
                             FormatMs((*kept)->encode_ms) + ")");
    }
  }
  if (kept && !kept->ok()) {
    KVLINK_RETURN_IF_ERROR(FlushOutput());
    return Status(kept->code(), "--keep-answer: " + kept->status().message());
  }
  if (Interrupted()) return Cancelled("ask: stopped");
  return 0;
}

}  // namespace

void AddAskCommand(CLI::App& app, Command* command) {
  auto options = std::make_shared<AskOptions>();
  Request& request = options->request;
  Sampling& sampling = request.sampling;
  CLI::App* sub = app.add_subcommand("ask", "Answer a question over indexed documents");
  sub->add_option("QUESTION", options->question,
                  "The question, with or without quotes, or - to read it from standard input")
      ->required();
  CLI::Option* top_k =
      sub->add_option(
             "--top-k", options->top_k,
             "Up to so many passages from search, 0: none [as many as answer best: up to " +
                 std::to_string(retrieval::PassageChoice().most) + "]")
          ->check(CLI::Range(0, 1000))
          ->type_name("N");
  sub->add_option("--doc", options->documents,
                  "Use this document, or a file's: ids, paths or patterns as of docs; may be "
                  "repeated, in prompt order")
      ->allow_extra_args(false)
      ->type_name("ID")
      ->excludes(top_k);
  CLI::Option* mode =
      sub->add_option_function<std::string>(
             "--mode", [options](const std::string& mode) { options->method = *ParseMode(mode); },
             "linked: blocks side by side; link+attention:0.1: the same, with a tenth of "
             "the documents' tokens computed again; full: one full pass; or a method to "
             "compare with, by its name in docs/methods.md")
          ->check([](const std::string& mode) { return ParseMode(mode).status().message(); })
          ->type_name("MODE")
          ->default_str("linked");
  CLI::Option* explain =
      sub->add_flag("--explain", options->explain,
                    "Print each token of the prompt: position, segment, computed or reused");
  sub->add_flag("--compare", options->compare,
                "Answer with full attention too, and show both answers and what each cost")
      ->excludes(mode)
      ->excludes(explain);
  CLI::Option* keep = sub->add_flag("--keep-answer", options->keep_answer,
                                    "Keep the answer as a document, encoded once, now, for other "
                                    "prompts to link (docs/methods.md)");
  sub->add_option("--answer-title", options->answer_title, "Title of the kept answer [none]")
      ->needs(keep);
  keep->excludes("--compare");
  sub->add_option("--system", request.system, "System text [the template's own]");
  sub->add_flag("--strict", request.strict,
                "Refuse instead of dropping documents beyond the model's context, to answer over "
                "linked documents without a passed quality gate (kvlink check --quality), and "
                "what the documents do not seem to answer");
  sub->add_option("--max-tokens", request.max_tokens, "Most tokens of the answer")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  CLI::Option* sources =
      sub->add_option("--sources", options->sources,
                      "Where the answer comes from, behind it: short paths, full ones, or none")
          ->check(CLI::IsMember({"short", "full", "none"}))
          ->capture_default_str();
  sub->add_flag("--logprobs", options->logprobs, "Report each token's log-probability (--json)");
  sub->add_option("--top-logprobs", request.top_logprobs,
                  "Alternatives to report for each token (--json)")
      ->check(CLI::Range(0, 1000))
      ->type_name("N");
  sub->add_option("--temperature", sampling.temperature, "0: greedy")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str()
      ->group("Sampling");
  sub->add_option("--sample-top-k", sampling.top_k, "Only the k likeliest tokens; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
      ->group("Sampling");
  sub->add_option("--top-p", sampling.top_p, "Only the likeliest tokens of this mass; 1: all")
      ->check(CLI::Range(0.000001, 1.0))
      ->group("Sampling");
  sub->add_option("--min-p", sampling.min_p, "Only tokens of this share of the likeliest; 0: all")
      ->check(CLI::Range(0.0, 1.0))
      ->group("Sampling");
  sub->add_option("--repetition-penalty", sampling.repetition_penalty, "1: off")
      ->check(CLI::Range(0.01, 100.0))
      ->group("Sampling");
  sub->add_option("--seed", sampling.seed, "Of the sampler [drawn, and reported by --json]")
      ->check(WholeNumber(0, std::numeric_limits<uint64_t>::max()))
      ->type_name("N")
      ->group("Sampling");
  sub->callback([command, options, sources] {
    options->sources_given = sources->count() > 0;
    *command = [options](Session& session) { return RunAsk(*options, session); };
  });
}

}  // namespace kvlink::cli
