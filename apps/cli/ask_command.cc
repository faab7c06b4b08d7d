// kvlink ask QUESTION: finds documents, links their blocks, answers. Main path: Run -> Engine::Ask.
#include <CLI/CLI.hpp>

#include <limits>
#include <optional>
#include <set>

#include "cli/answer_output.h"
#include "cli/answer_support.h"
#include "cli/commands.h"
#include "cli/default_paths.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/keep_answer.h"
#include "cli/label.h"
#include "cli/model_file.h"
#include "cli/named_documents.h"
#include "cli/number_option.h"
#include "cli/source_check.h"
#include "cli/sources_output.h"
#include "cli/standard_input.h"
#include "link/method.h"
#include "retrieval/choose_passages.h"
#include "retrieval/question.h"

namespace kvlink::cli {
namespace {

struct AskOptions {
  std::vector<std::string> question;   // its words, as a shell parts them; "-": standard input
  std::optional<int> top_k;            // most passages from search; none: as many as answer best
  std::vector<std::string> documents;  // ids, files, patterns; not empty: no search
  std::string mode = "linked";
  bool explain = false;
  bool compare = false;
  bool keep_answer = false;
  std::string answer_title;
  bool logprobs = false;
  std::string sources = "short";  // or none, full
  bool sources_given = false;
  Request request;  // what goes to the engine as it is
};

// In the order of the words, none twice.
Result<std::vector<IndexedDocument>> DocumentsOf(DocumentIndex& index,
                                                 const std::vector<std::string>& words) {
  std::vector<IndexedDocument> documents;
  std::set<std::string> seen;
  for (const std::string& word : words) {
    Result<NamedDocuments> named = FindDocuments(index, {word});
    if (!named.ok()) return Status(named.code(), "--doc " + named.status().message());
    for (IndexedDocument& document : named->documents) {
      if (seen.insert(document.id).second) documents.push_back(std::move(document));
    }
  }
  return documents;
}

// Of how many hits the passages are chosen: some may say the same.
constexpr int kHitsPerPassage = 4;

struct ChosenDocuments {
  std::vector<IndexedDocument> documents;  // in prompt order
  // Of the question's words, by the best of the documents; none: no words found them.
  std::optional<double> coverage;
};

// The documents to answer from: as named, or as found, the best last.
Result<ChosenDocuments> ChooseDocuments(const AskOptions& options, const std::string& question,
                                        Session& session, bool read_only) {
  if (options.documents.empty() && options.top_k == 0) return ChosenDocuments();
  KVLINK_ASSIGN_OR_RETURN(const std::string store, session.store_path());
  KVLINK_ASSIGN_OR_RETURN(
      const auto index,
      session.OpenDocuments(/*create=*/false, read_only || !IsWritable(DocumentsPath(store))));
  ChosenDocuments chosen;
  if (!options.documents.empty()) {
    KVLINK_ASSIGN_OR_RETURN(chosen.documents, DocumentsOf(*index, options.documents));
    KVLINK_RETURN_IF_ERROR(CheckSources(*index, &chosen.documents, session));
    return chosen;
  }
  PassageChoice choice;
  if (options.top_k) choice = {.most = *options.top_k, .least_share = 0};
  KVLINK_ASSIGN_OR_RETURN(const SearchResult found,
                          index->Search(question, kHitsPerPassage * choice.most));
  if (found.hits.empty()) return session.NoDocuments();
  if (options.request.strict && found.how == HowFound::kMostRecent) {
    return FailedPrecondition(
        "no document has a word of the question; without --strict it is answered over those "
        "indexed last");
  }
  if (!found.note.empty()) session.Warn(found.note);
  double coverage = 0;
  for (const size_t hit : ChoosePassages(found.hits, choice)) {
    chosen.documents.push_back(found.hits[hit].document);
    coverage = std::max(coverage, found.hits[hit].coverage);
  }
  if (found.how == HowFound::kMatched) chosen.coverage = coverage;
  KVLINK_RETURN_IF_ERROR(CheckSources(*index, &chosen.documents, session));
  return chosen;
}

// "linked" is the method "link"; all others go by their own names.
std::string MethodOf(const std::string& mode) { return mode == "linked" ? "link" : mode; }

// For the parser: what is wrong with --mode; empty: nothing.
std::string CheckMode(const std::string& mode) {
  return ParseMethod(MethodOf(mode)).status().message();
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

// Links were trained behind the template's own system text, to answer questions shortly.
void WarnOfSystem(const Request& request, const ModelSummary& model, Session& session) {
  if (request.system.empty() || request.documents.empty() || model.links_path.empty()) return;
  if (request.method.starts_with("full") || request.method.starts_with("none")) return;
  session.Warn(
      "--system: the links in use were trained with the template's own system text, and "
      "may not follow another; --mode full does as far as the model can");
}

// Links that were trained on short answers give them whatever is asked.
void WarnOfText(const Request& request, const ModelSummary& model, Session& session) {
  if (request.documents.empty() || model.links_path.empty() || request.method != "link") return;
  if (!WantsText(request.question)) return;
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
Result<int> Compare(Engine& engine, Request request, const ChosenDocuments& chosen,
                    const AskOptions& options, Session& session) {
  const std::vector<IndexedDocument>& documents = chosen.documents;
  const auto go_on = [](std::string_view) { return !Interrupted(); };
  request.method = "link";
  KVLINK_ASSIGN_OR_RETURN(const Answer linked, engine.Ask(request, go_on));
  if (Interrupted()) return Cancelled("ask: stopped");
  // Near the context's end link tokens leave less room: both answers from the same documents.
  std::vector<IndexedDocument> asked_in_full;
  request.documents.clear();
  for (size_t i = 0; i < documents.size(); ++i) {
    if (linked.documents[i].status == "dropped") continue;
    asked_in_full.push_back(documents[i]);
    request.documents.push_back(ToEngine(documents[i]));
  }
  // Like with like: both differ by linking alone.
  const bool adapter = engine.model().has_adapter;
  request.method = adapter ? "full+adapter" : "full";
  request.sampling.seed = linked.seed;
  KVLINK_ASSIGN_OR_RETURN(const Answer full, engine.Ask(request, go_on));
  for (const std::string& warning : linked.warnings) session.Warn(warning);
  if (Interrupted()) return Cancelled("ask: stopped");
  const AnswerSupport support = SupportOf(request.question, linked, documents, chosen.coverage);
  KVLINK_RETURN_IF_ERROR(WarnOrRefuse(support, request.strict, session));
  if (session.json()) {
    const auto json = [&](const Answer& answer, const std::vector<IndexedDocument>& asked) {
      Json of =
          AnswerToJson(answer, asked, engine.model(), session.warnings(), WantsLogprobs(options));
      AddSupport(SupportOf(request.question, answer, asked, chosen.coverage), asked, &of);
      return of;
    };
    PrintJson({{"linked", json(linked, documents)},
               {"full", json(full, asked_in_full)},
               {"full_method", request.method}});
  } else {
    PrintText(DescribeComparison(full, linked, adapter, ShowsSources(options, session), documents,
                                 session.console().out_width()));
    if (IsCut(full) || IsCut(linked)) SayCut(request, session);
  }
  return 0;
}

// The index that a kept answer goes into; nullptr: none is to be kept. Opened before anything is
// answered, so that an answer is not lost to a store that cannot take it.
Result<std::unique_ptr<DocumentIndex>> OpenForKeeping(const AskOptions& options, bool read_only,
                                                      Session& session) {
  if (!options.keep_answer) return std::unique_ptr<DocumentIndex>();
  if (read_only) {
    KVLINK_ASSIGN_OR_RETURN(const std::string store, session.store_path());
    return FailedPrecondition("--keep-answer: the store " + store + " is read-only");
  }
  return session.OpenDocuments(/*create=*/true, /*read_only=*/false);
}

Result<int> RunAsk(const AskOptions& options, Session& session) {
  if (session.json()) session.KeepWarningsSilently();
  if (WantsLogprobs(options) && !session.json()) {
    session.Warn(std::string(options.logprobs ? "--logprobs" : "--top-logprobs") +
                 " are reported by --json alone");
  }
  Request request = options.request;
  KVLINK_ASSIGN_OR_RETURN(request.question, ReadQuestion(options.question));
  KVLINK_ASSIGN_OR_RETURN(const std::string store, session.store_path());
  const bool read_only = FileExists(store) && !IsWritable(store);
  if (read_only) session.Warn("the store " + store + " is read-only: no new block is kept");
  KVLINK_ASSIGN_OR_RETURN(const ChosenDocuments chosen,
                          ChooseDocuments(options, request.question, session, read_only));
  const std::vector<IndexedDocument>& documents = chosen.documents;
  for (const IndexedDocument& document : documents) request.documents.push_back(ToEngine(document));
  if (options.documents.empty()) {  // found by search: what stands first is the least
    for (size_t i = 0; i < documents.size(); ++i) {
      request.documents[i].rank = static_cast<int32_t>(documents.size() - i);
    }
  }
  request.method = MethodOf(options.mode);
  request.require_gate = request.strict;
  request.want_prompt = options.explain || session.json();
  KVLINK_ASSIGN_OR_RETURN(const auto keeping, OpenForKeeping(options, read_only, session));

  KVLINK_ASSIGN_OR_RETURN(const auto engine, session.OpenEngine(read_only));
  CatchInterrupt();
  if (options.keep_answer && !engine->model().why_not_linkable.empty()) {
    return Unsupported(
        "--keep-answer: this model cannot be linked, so that a block would be of no "
        "use: " +
        engine->model().why_not_linkable);
  }
  WarnOfSystem(request, engine->model(), session);
  WarnOfText(request, engine->model(), session);
  if (options.compare) return Compare(*engine, request, chosen, options, session);
  // People see the answer grow; a program gets it whole. With --explain the plan comes first.
  // With --strict nobody sees an answer that is then refused.
  const bool stream =
      session.console().out_is_terminal() && !session.json() && !options.explain && !request.strict;
  Result<Answer> answer = engine->Ask(request, [stream](std::string_view text) {
    if (stream) {
      PrintData(text);
      if (!FlushOutput().ok()) return false;
    }
    return !Interrupted();
  });
  if (!answer.ok()) return answer.status();
  for (const std::string& warning : answer->warnings) session.Warn(warning);
  const AnswerSupport support = SupportOf(request.question, *answer, documents, chosen.coverage);
  // Behind the answer that people see growing.
  if (!stream) KVLINK_RETURN_IF_ERROR(WarnOrRefuse(support, request.strict, session));

  std::optional<Result<KeptAnswer>> kept;  // none: not asked for, or the answer was stopped
  const auto keep = [&] {
    if (keeping == nullptr || Interrupted()) return;
    if (answer->finish_reason == "length") {
      session.Warn("--keep-answer: the answer ended at --max-tokens " +
                   std::to_string(request.max_tokens) + " and is kept unfinished");
    }
    kept = KeepAnswer(answer->text, options.answer_title, *engine, *keeping);
  };
  if (session.json()) {
    keep();
    Json json = AnswerToJson(*answer, documents, engine->model(), session.warnings(),
                             WantsLogprobs(options));
    AddSupport(support, documents, &json);
    if (keeping != nullptr) json["kept"] = kept && kept->ok() ? KeptAnswerToJson(**kept) : Json();
    PrintJson(json);
  } else {
    if (options.explain) {
      KVLINK_ASSIGN_OR_RETURN(const auto tokenizer, ReadTokenizer(engine->model().path));
      PrintText(ExplainPrompt(*answer, *tokenizer, session.console().out_width()) + "\n");
    }
    PrintData(stream ? "\n" : answer->text + "\n");
    const std::string sources =
        DescribeSources(*answer, documents, support.evidence, options.sources == "full");
    if (!sources.empty() && ShowsSources(options, session)) PrintText("\n" + sources);
    KVLINK_RETURN_IF_ERROR(FlushOutput());
    if (IsCut(*answer) && !options.keep_answer) SayCut(request, session);
    Console& console = session.console();
    if ((console.out_is_terminal() || console.err_is_terminal()) && session.chatty()) {
      ShowAnswer(*answer, documents, console);
    }
    if (answer->seed && !request.sampling.seed && session.chatty()) {
      session.console().Line("drawn with --seed " + std::to_string(*answer->seed));
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
                 std::to_string(PassageChoice().most) + "]")
          ->check(CLI::Range(0, 1000))
          ->type_name("N");
  sub->add_option("--doc", options->documents,
                  "Use this document, or a file's: ids, paths or patterns as of docs; may be "
                  "repeated, in prompt order")
      ->allow_extra_args(false)
      ->type_name("ID")
      ->excludes(top_k);
  CLI::Option* mode =
      sub->add_option("--mode", options->mode,
                      "linked: blocks side by side; link+attention:0.1: the same, with a tenth of "
                      "the documents' tokens computed again; full: one full pass; or a method to "
                      "compare with, by its name in docs/methods.md")
          ->check(CheckMode)
          ->type_name("MODE")
          ->capture_default_str();
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
