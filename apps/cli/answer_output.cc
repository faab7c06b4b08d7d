#include "cli/answer_output.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "cli/default_paths.h"
#include "cli/sources_output.h"
#include "retrieval/source_map.h"

namespace kvlink::cli {
namespace {

// JSON has no infinity; a token that cannot be drawn has a log-probability of null.
Json Logprob(float logprob) { return std::isfinite(logprob) ? Json(logprob) : Json(); }

// Tokens are bytes and JSON is text: where a token is a part of a character its text is U+FFFD, and
// only its bytes tell it from others.
Json Bytes(std::string_view text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<uint8_t>(c));
  return bytes;
}

Json ToJson(const GeneratedToken& token, bool logprobs) {
  Json json = {{"id", token.id}, {"text", token.text}, {"bytes", Bytes(token.text)}};
  if (!logprobs) return json;
  Json top = Json::array();
  for (const TokenChoice& choice : token.top) {
    top.push_back({{"id", choice.id},
                   {"text", choice.text},
                   {"bytes", Bytes(choice.text)},
                   {"logprob", Logprob(choice.logprob)}});
  }
  json["logprob"] = Logprob(token.logprob);
  json["top"] = std::move(top);
  return json;
}

Json ToJson(const DocumentUse& use, const IndexedDocument* document) {
  const SourceState state = document == nullptr ? SourceState::kUnknown : document->source_state;
  Json json = {{"id", use.id},         {"title", ""},
               {"source", ""},         {"source_state", retrieval::Name(state)},
               {"heading", ""},        {"begin_line", Json()},
               {"end_line", Json()},   {"place", Json()},
               {"tokens", use.tokens}, {"status", Name(use.status)},
               {"why", use.why}};
  if (document == nullptr) return json;
  json["title"] = document->title;
  json["source"] = document->source;
  json["heading"] = HeadingOf(*document);
  if (document->unit != PlaceUnit::kByte) {
    json["place"] = retrieval::DescribePlace(document->unit, {document->begin, document->end});
  }
  if (const std::optional<Lines> lines = LinesOf(*document)) {
    json["begin_line"] = lines->first;
    json["end_line"] = lines->last;
  }
  return json;
}

// A token's bytes on one line: control characters and what is not UTF-8 as \n, \xHH.
std::string Escaped(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  const bool whole = CompleteUtf8Prefix(bytes) == bytes.size();
  int64_t replaced = 0;
  (void)ToValidUtf8(bytes, &replaced);
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\') {
      out += "\\\\";
    } else if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && (!whole || replaced > 0))) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Json AnswerToJson(const Answer& answer, const std::vector<IndexedDocument>& documents,
                  const ModelSummary& model, const std::vector<std::string>& warnings,
                  bool logprobs) {
  Json prompt = Json::array();
  for (const PromptToken& token : answer.prompt) {
    prompt.push_back({{"id", token.id},
                      {"position", token.position},
                      {"segment", token.segment},
                      {"source", Name(token.source)}});
  }
  Json generated = Json::array();
  for (const GeneratedToken& token : answer.generated) {
    generated.push_back(ToJson(token, logprobs));
  }
  Json used = Json::array();
  for (size_t i = 0; i < answer.document_uses.size(); ++i) {
    used.push_back(ToJson(answer.document_uses[i], i < documents.size() ? &documents[i] : nullptr));
  }
  const Usage& usage = answer.usage;
  const Timings& timings = answer.timings;
  return {{"answer", answer.text},
          {"finish_reason", Name(answer.finish_reason)},
          {"prompt", std::move(prompt)},
          {"generated", std::move(generated)},
          {"documents", std::move(used)},
          {"usage",
           {{"prompt_tokens", usage.prompt_tokens},
            {"computed_tokens", usage.computed_tokens},
            {"exact_tokens", usage.exact_tokens},
            {"linked_tokens", usage.linked_tokens},
            {"completion_tokens", usage.completion_tokens}}},
          {"timings",
           {{"ttft_ms", timings.ttft_ms},
            {"load_ms", timings.load_ms},
            {"encode_ms", timings.encode_ms},
            {"prefill_ms", timings.prefill_ms},
            {"decode_ms", timings.decode_ms}}},
          {"seed", answer.seed ? Json(*answer.seed) : Json()},
          {"model", model.name.empty() ? FileName(model.path) : model.name},
          {"warnings", warnings}};
}

bool IsCut(const Answer& answer) { return answer.finish_reason == FinishReason::kLength; }

std::string ExplainPrompt(const Answer& answer, const text::Tokenizer& tokenizer, int width) {
  std::vector<std::vector<std::string>> rows;
  rows.reserve(answer.prompt.size());
  for (const PromptToken& token : answer.prompt) {
    rows.push_back({std::to_string(token.position), token.id < 0 ? "-" : std::to_string(token.id),
                    std::to_string(token.segment), std::string(Name(token.source)),
                    token.computed ? "computed" : "reused",
                    token.id < 0 ? "(link embedding)" : Escaped(tokenizer.TokenBytes(token.id))});
  }
  return FormatTable({{"POSITION", true},
                      {"ID", true},
                      {"SEGMENT", true},
                      {"SOURCE"},
                      {"WORK"},
                      {"TOKEN", false, true}},
                     rows, width);
}

void ShowAnswer(const Answer& answer, const std::vector<IndexedDocument>& documents,
                Console& console) {
  if (!answer.document_uses.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (size_t i = 0; i < answer.document_uses.size(); ++i) {
      const DocumentUse& use = answer.document_uses[i];
      const std::string title = i < documents.size() ? documents[i].title : "";
      rows.push_back({std::to_string(i + 1), use.id, FormatCount(use.tokens),
                      std::string(Name(use.status)), title, use.why});
    }
    const std::string table = FormatTable({{"#", true},
                                           {"DOCUMENT"},
                                           {"TOKENS", true},
                                           {"STATUS"},
                                           {"TITLE", false, true},
                                           {"WHY", false, true}},
                                          rows, console.err_width());
    console.Line("");
    console.Table(table);
  }
  const Usage& usage = answer.usage;
  const std::vector<std::vector<std::string>> rows = {
      {FormatCount(usage.prompt_tokens), FormatCount(usage.computed_tokens),
       FormatCount(usage.linked_tokens), FormatCount(usage.exact_tokens),
       FormatMs(answer.timings.ttft_ms), FormatCount(usage.completion_tokens),
       FormatMs(answer.timings.decode_ms)}};
  const std::string table = FormatTable({{"PROMPT TOKENS", true},
                                         {"COMPUTED", true},
                                         {"REUSED LINKED", true},
                                         {"EXACT", true},
                                         {"FIRST TOKEN", true},
                                         {"ANSWER", true},
                                         {"DECODING", true}},
                                        rows, console.err_width());
  console.Line("");
  console.Table(table);
}

std::string DescribeComparison(const Answer& full, const Answer& linked, bool adapter, bool sources,
                               const std::vector<IndexedDocument>& documents, int width) {
  const std::string with = adapter ? ", with the links' adapter" : ", base model";
  std::string out;
  for (const auto& [name, answer] :
       {std::pair("full attention" + with, &full), std::pair("linked" + with, &linked)}) {
    out += name + ":\n  " + answer->text + (IsCut(*answer) ? " [cut]" : "") + "\n";
  }
  if (sources && !linked.document_uses.empty()) out += '\n';
  for (size_t i = 0; sources && i < linked.document_uses.size(); ++i) {
    const DocumentUse& use = linked.document_uses[i];
    const std::string name = i < documents.size() ? PlaceOf(documents[i], /*whole=*/false) : use.id;
    out += "  " + std::to_string(i + 1) + ". " + CleanLine(name) + " (" + FormatCount(use.tokens) +
           " tokens, " + std::string(Name(use.status)) + ")\n";
  }
  const auto row = [](const char* name, const Answer& a, const std::string& ratio) {
    return std::vector<std::string>{name, FormatCount(a.usage.computed_tokens),
                                    FormatCount(a.usage.linked_tokens + a.usage.exact_tokens),
                                    FormatMs(a.timings.ttft_ms), ratio};
  };
  char ratio[32];
  std::snprintf(ratio, sizeof ratio, "%.1f %%",
                100 * linked.timings.ttft_ms / std::max(full.timings.ttft_ms, 1e-9));
  out += "\n" + FormatTable({{"MODE"},
                             {"TOKENS COMPUTED", true},
                             {"TOKENS REUSED", true},
                             {"FIRST TOKEN", true},
                             {"OF FULL", true}},
                            {row("full attention", full, ""), row("linked", linked, ratio)}, width);
  return out;
}

}  // namespace kvlink::cli
