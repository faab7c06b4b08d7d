// The prompt template, as data: which text stands around documents, question and answer. It belongs
// to a model's link file; two are built in. The prompt (docs/method.md, section 2):
//     system documents_begin | doc 0 | links | doc 1 | links | ... | documents_end question answer
// Placeholders: {system} in system; {title}, {text} and {rank} (from 1) in document; {question} in
// question. Any other {name} in lower case is refused when a template is read.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/engine.h"
#include "kvlink/status.h"
#include "text/tokenizer.h"

namespace kvlink::text {

struct PromptTemplate {
  std::string name;
  std::string system;           // e.g. "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"
  std::string default_system;   // what {system} is when the request has none
  std::string documents_begin;  // after the system text; mem_start in the authors' checkpoints
  std::string document;         // one document with a title
  std::string untitled_document;  // one document without a title
  std::string documents_end;      // before the question; mem_end in the authors' checkpoints
  std::string question;           // "{question}"
  std::string answer;             // from the question's end to the answer's first token
  // What stands before a document while it is encoded: "" nothing, "head" the rendered preamble,
  // "first" the preamble's first token. It is no part of the block.
  std::string document_prefix{};
  std::vector<std::string> stop;  // texts that end an answer, beside end-of-generation tokens

  // A document's tokens depend on its rank in the prompt, so that one block serves one rank only.
  bool uses_rank() const;
};

const PromptTemplate& ChatMlTemplate();
const PromptTemplate& Llama3Template();
// The built-in template whose special tokens the vocabulary has, ChatML first; kUnsupported if
// none.
Result<PromptTemplate> ChooseTemplate(const Tokenizer& tokenizer);

// JSON object with the fields above. Unknown fields and unknown placeholders are refused by name.
Result<PromptTemplate> TemplateFromJson(std::string_view json);
std::string TemplateToJson(const PromptTemplate& t);

// Rendering: values are text (never special tokens); literals may hold special tokens.
// The head: system and documents_begin. An empty system text stands for default_system; without
// documents, documents_begin does not stand.
std::vector<int32_t> RenderPreamble(const PromptTemplate& t, const Tokenizer& tokenizer,
                                    std::string_view system, bool has_documents);
// The tokens that document_prefix names, of a preamble rendered with documents.
std::vector<int32_t> RenderDocumentPrefix(const PromptTemplate& t, const Tokenizer& tokenizer,
                                          std::string_view system);
// rank counts from 1. An empty title: untitled_document.
std::vector<int32_t> RenderDocument(const PromptTemplate& t, const Tokenizer& tokenizer,
                                    std::string_view title, std::string_view text, int rank);
// documents_end (only if there are documents), earlier turns, question, answer. Between an answer
// and the next question stands what stands between the system text and the first one.
// REQUIRES: users and assistants take turns in `earlier`, an assistant last.
std::vector<int32_t> RenderQuestion(const PromptTemplate& t, const Tokenizer& tokenizer,
                                    std::string_view question, bool has_documents,
                                    std::span<const Message> earlier = {});
// What an answer is when it is known beforehand (training, scoring): its tokens, then the token
// that ends it: stop[0] if that is one token of the vocabulary, else the tokenizer's own end.
std::vector<int32_t> RenderAnswer(const PromptTemplate& t, const Tokenizer& tokenizer,
                                  std::string_view answer);

}  // namespace kvlink::text
