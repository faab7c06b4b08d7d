// The built-in templates, and rendering: a template's literals may hold special tokens, a value
// never does, and a value is not looked at for placeholders.
#include "text/template.h"

#include <initializer_list>
#include <utility>

namespace kvlink::text {
namespace {

using Value = std::pair<std::string_view, std::string_view>;  // "{text}", what stands for it

void AppendPieces(std::string_view text, std::initializer_list<Value> values,
                  std::vector<Tokenizer::Piece>* pieces) {
  size_t literal = 0;  // where the literal starts that has not been appended yet
  for (size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
    for (const auto& [name, value] : values) {
      if (text.compare(at, name.size(), name) != 0) continue;
      pieces->push_back({text.substr(literal, at - literal), true});
      pieces->push_back({value, false});
      literal = at + name.size();
      break;
    }
  }
  pieces->push_back({text.substr(literal), true});
}

// The vocabulary has the text as one special token.
bool HasSpecial(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<int32_t> ids = tokenizer.EncodeSpecial(text);
  return ids.size() == 1 && ids != tokenizer.Encode(text);
}

}  // namespace

bool PromptTemplate::uses_rank() const {
  return document.find("{rank}") != std::string::npos ||
         untitled_document.find("{rank}") != std::string::npos;
}

const PromptTemplate& ChatMlTemplate() {
  static const PromptTemplate kTemplate = {
      .name = "chatml",
      .system = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n",
      .default_system =
          "You answer questions from the documents that the user gives. Be short and exact.",
      .documents_begin = "",
      .document = "Document (Title: {title}) {text}\n",
      .untitled_document = "Document {text}\n",
      .documents_end = "\nQuestion: ",
      .question = "{question}",
      .answer = "<|im_end|>\n<|im_start|>assistant\n",
      .stop = {"<|im_end|>", "<|im_start|>", "<|endoftext|>"},
  };
  return kTemplate;
}

const PromptTemplate& Llama3Template() {
  static const PromptTemplate kTemplate = {
      .name = "llama3",
      .system =
          "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|>"
          "<|start_header_id|>user<|end_header_id|>\n\n",
      .default_system =
          "You answer questions from the documents that the user gives. Be short and exact.",
      .documents_begin = "",
      .document = "Document (Title: {title}) {text}\n",
      .untitled_document = "Document {text}\n",
      .documents_end = "\nQuestion: ",
      .question = "{question}",
      .answer = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
      .stop = {"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"},
  };
  return kTemplate;
}

Result<PromptTemplate> ChooseTemplate(const Tokenizer& tokenizer) {
  if (HasSpecial(tokenizer, "<|im_start|>") && HasSpecial(tokenizer, "<|im_end|>")) {
    return ChatMlTemplate();
  }
  bool llama3 = true;
  for (const std::string_view token :
       {"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}) {
    llama3 = llama3 && HasSpecial(tokenizer, token);
  }
  if (llama3) return Llama3Template();
  return Unsupported(
      "no built-in prompt template fits this vocabulary: expected the special tokens <|im_start|> "
      "and <|im_end|> (ChatML), or <|begin_of_text|>, <|start_header_id|>, <|end_header_id|> and "
      "<|eot_id|> (Llama 3); name one with --template, or give a link file that has one");
}

std::vector<int32_t> RenderPreamble(const PromptTemplate& t, const Tokenizer& tokenizer,
                                    std::string_view system, bool has_documents) {
  std::vector<Tokenizer::Piece> pieces;
  AppendPieces(t.system, {{"{system}", system.empty() ? t.default_system : system}}, &pieces);
  if (has_documents) AppendPieces(t.documents_begin, {}, &pieces);
  return tokenizer.EncodePieces(pieces);
}

std::vector<int32_t> RenderDocumentPrefix(const PromptTemplate& t, const Tokenizer& tokenizer,
                                          std::string_view system) {
  if (t.document_prefix.empty()) return {};
  std::vector<int32_t> tokens = RenderPreamble(t, tokenizer, system, /*has_documents=*/true);
  if (t.document_prefix == "first" && !tokens.empty())
    tokens.erase(tokens.begin() + 1, tokens.end());
  return tokens;
}

std::vector<int32_t> RenderDocument(const PromptTemplate& t, const Tokenizer& tokenizer,
                                    std::string_view title, std::string_view text, int rank) {
  const std::string rank_text = std::to_string(rank);
  std::vector<Tokenizer::Piece> pieces;
  AppendPieces(title.empty() ? t.untitled_document : t.document,
               {{"{title}", title}, {"{text}", text}, {"{rank}", rank_text}}, &pieces);
  return tokenizer.EncodePieces(pieces);
}

std::vector<int32_t> RenderQuestion(const PromptTemplate& t, const Tokenizer& tokenizer,
                                    std::string_view question, bool has_documents,
                                    std::span<const Message> earlier) {
  std::vector<Tokenizer::Piece> pieces;
  if (has_documents) AppendPieces(t.documents_end, {}, &pieces);
  constexpr std::string_view kSystem = "{system}";
  const size_t at = t.system.find(kSystem);
  const std::string_view next = at == std::string::npos
                                    ? std::string_view()
                                    : std::string_view(t.system).substr(at + kSystem.size());
  for (const Message& message : earlier) {
    if (message.role == Message::Role::kUser) {
      AppendPieces(t.question, {{"{question}", message.content}}, &pieces);
      AppendPieces(t.answer, {}, &pieces);
    } else {
      pieces.push_back({message.content, false});
      AppendPieces(next, {}, &pieces);
    }
  }
  AppendPieces(t.question, {{"{question}", question}}, &pieces);
  AppendPieces(t.answer, {}, &pieces);
  return tokenizer.EncodePieces(pieces);
}

std::vector<int32_t> RenderAnswer(const PromptTemplate& t, const Tokenizer& tokenizer,
                                  std::string_view answer) {
  std::vector<int32_t> tokens = tokenizer.Encode(answer);
  const std::vector<int32_t> stop =
      t.stop.empty() ? std::vector<int32_t>() : tokenizer.EncodeSpecial(t.stop.front());
  // A vocabulary without an end and a template without one: nothing ends an answer.
  const int32_t end = stop.size() == 1 ? stop.front() : tokenizer.eos();
  if (end >= 0) tokens.push_back(end);
  return tokens;
}

}  // namespace kvlink::text
