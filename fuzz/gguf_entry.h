// What the GGUF fuzzer runs, and the mutation test with it: all that the program does with a
// model's file before the first number is computed. Aborts if a promise of the reader is broken;
// memory errors are the sanitizers' to find.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "formats/gguf.h"
#include "model/config.h"
#include "support/memory_file.h"
#include "tensor/quant.h"
#include "text/chat_template.h"
#include "text/jinja_outputs.h"
#include "text/tokenizer.h"

namespace kvlink::fuzz {

// An error says something, in one line of printable characters.
inline bool IsOneLine(const Status& status) {
  for (const char c : status.message()) {
    if (static_cast<unsigned char>(c) < 0x20) return false;
  }
  return !status.message().empty();
}

struct GgufOutcome {
  bool opened = false;
  bool configured = false;
  bool tokenizes = false;
  bool has_template = false;  // a prompt can be written
};

inline GgufOutcome ReadGguf(std::string_view bytes) {
  GgufOutcome outcome;
  testing::MemoryFile files(bytes);
  const auto file = formats::GgufFile::Open(files, "fuzz.gguf");
  if (!file.ok()) {
    KVLINK_CHECK(IsOneLine(file.status()));
    return outcome;
  }
  outcome.opened = true;
  for (const formats::TensorInfo& tensor : (*file)->tensors()) {
    KVLINK_CHECK((*file)->FindTensor(tensor.name) == &tensor);
    // The last block: what a wrong extent would put beyond the file.
    const GgmlTypeTraits& traits = *TraitsOf(static_cast<uint32_t>(tensor.type));
    std::vector<float> block(traits.block_elements);
    tensor::Dequantize(tensor.type, tensor.data.data() + tensor.data.size() - traits.block_bytes,
                       traits.block_elements, block.data());
  }
  const auto config = model::ReadModelConfig(**file);
  if (config.ok()) {
    outcome.configured = true;
    KVLINK_CHECK(config->heads % config->kv_heads == 0 && config->rope.dims <= config->head_dim);
    (void)model::ModelFingerprint(**file, *config);
    (void)model::WhyNotLinkable(*config);
  } else {
    KVLINK_CHECK(IsOneLine(config.status()));
  }
  const auto prompt = model::ReadFilePrompt(**file);
  KVLINK_CHECK(prompt.ok() || IsOneLine(prompt.status()));
  // Also where there is no tokenizer to choose a template by.
  if (prompt.ok()) (void)text::ReadJinjaOutputs(prompt->chat_template, "</s>");
  auto words = model::ReadTokenizerConfig(**file);
  if (!words.ok()) {
    KVLINK_CHECK(IsOneLine(words.status()));
    return outcome;
  }
  const auto tokenizer = text::Tokenizer::Create(*std::move(words));
  KVLINK_CHECK(tokenizer.ok() || IsOneLine(tokenizer.status()));
  outcome.tokenizes = tokenizer.ok();
  if (tokenizer.ok() && prompt.ok()) {
    const auto chosen = text::ChooseTemplate(**tokenizer, *prompt);
    outcome.has_template = chosen.ok();
    KVLINK_CHECK(chosen.ok() || IsOneLine(chosen.status()));
    KVLINK_CHECK(!chosen.ok() || chosen->concern.find('\n') == std::string::npos);
  }
  return outcome;
}

}  // namespace kvlink::fuzz
