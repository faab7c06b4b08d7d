// Which prompt template a model file asks for: what its own chat template (Jinja) writes around a
// system text and a question, where that can be read from it without running it, and whether a
// prompt begins with the vocabulary's BOS. Not here: reading the Jinja text (jinja_outputs.h).
#pragma once

#include <optional>
#include <string>

#include "kvlink/status.h"
#include "text/template.h"
#include "text/tokenizer.h"

namespace kvlink::text {

// What a model file says about prompts.
struct FilePrompt {
  std::string chat_template;     // Jinja; empty: none
  std::optional<bool> adds_bos;  // tokenizer.ggml.add_bos_token; none: the file does not say
};

struct ChosenTemplate {
  PromptTemplate prompt_template;
  std::string concern;  // empty, or one line: why it may not be what the model was trained with
};

// The file's own template where it could be read; else the built-in one whose special tokens the
// vocabulary has, with a concern if the file has a template. BOS stands first where the file's
// template begins with it; without a template, where the file adds it. kUnsupported: there is none.
Result<ChosenTemplate> ChooseTemplate(const Tokenizer& tokenizer, const FilePrompt& file);

}  // namespace kvlink::text
