// The four pre-tokenizers as PCRE2 expressions. The only file that includes pcre2.h.
//
// Two deviations of PCRE2 from the engines these models were trained with are closed here: \s in
// PCRE2 still counts U+180E as white space, which Unicode does not, hence the class WHITE;
// and "digits one by one, then GPT-2's expression on what is between them" (smollm) is one
// expression, in which a digit ends a run of white space as the end of the text does.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pre_tokenizer.h"

#include <pcre2.h>

#include <string>

#include "base/quote.h"
#include "base/utf8.h"

// Parts of the expressions, one alternative a line. White space is Unicode's White_Space, for use
// inside a class.
#define WHITE R"(\t-\r\x{85}\p{Z})"
#define CONTRACTION R"('(?:[stmd]|re|ve|ll))"
#define PUNCTUATION R"( ?[^\p{L}\p{N})" WHITE R"(]+)"
// All white space but the last character before a word, which belongs to the word.
#define WHITE_BEFORE(ends_too) "[" WHITE "]+(?![^" ends_too WHITE "])|[" WHITE "]+"

namespace kvlink::text {
namespace {

struct Expression {
  std::string_view name;
  const char* pattern;
  bool takes_whole_words;
  bool normalizes;
};

// clang-format off
constexpr const char* kGpt2 =
    CONTRACTION
    R"(| ?\p{L}+)"
    R"(| ?\p{N}+)"
    "|" PUNCTUATION
    "|" WHITE_BEFORE("");

constexpr const char* kSmolLm =
    CONTRACTION
    R"(|\p{N})"
    R"(| ?\p{L}+)"
    "|" PUNCTUATION
    "|" WHITE_BEFORE(R"(\p{N})");

// Llama 3 takes up to three digits together, Qwen 2 one.
#define LLAMA3_STYLE(digits)              \
    "(?i:" CONTRACTION ")"                \
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+)"       \
    "|" digits                            \
    "|" PUNCTUATION R"([\r\n]*)"          \
    "|[" WHITE R"(]*[\r\n]+)"             \
    "|" WHITE_BEFORE("")
// clang-format on

constexpr Expression kExpressions[] = {
    {"smollm", kSmolLm, false, false},
    {"llama-bpe", LLAMA3_STYLE(R"(\p{N}{1,3})"), true, false},
    {"qwen2", LLAMA3_STYLE(R"(\p{N})"), false, true},
    {"gpt-2", kGpt2, false, false},
};

struct FreeCode {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};

bool IsAsciiSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The word where no expression answers: a run of ASCII white space, or of anything else, so that
// what follows the hard place is cut as always.
size_t RoughWordEnd(std::string_view text, size_t at) {
  const bool space = IsAsciiSpace(text[at]);
  while (at < text.size() && IsAsciiSpace(text[at]) == space) ++at;
  return at;
}

class Pcre2PreTokenizer final : public PreTokenizer {
 public:
  Pcre2PreTokenizer(std::unique_ptr<pcre2_code, FreeCode> code,
                    std::unique_ptr<pcre2_match_context, FreeMatchContext> context,
                    const Expression& expression)
      : code_(std::move(code)), context_(std::move(context)), expression_(expression) {}

  void Split(std::string_view text, std::vector<std::string_view>* words) const override {
    const std::unique_ptr<pcre2_match_data, FreeMatchData> match(
        pcre2_match_data_create(1, nullptr));
    for (size_t at = 0; at < text.size();) {
      const size_t end = match != nullptr ? WordEnd(text, at, match.get()) : 0;
      const size_t next = end > at ? end : RoughWordEnd(text, at);
      words->push_back(text.substr(at, next - at));
      at = next;
    }
  }

  bool takes_whole_words() const override { return expression_.takes_whole_words; }
  bool normalizes() const override { return expression_.normalizes; }

 private:
  // 0: PCRE2 does not say.
  size_t WordEnd(std::string_view text, size_t at, pcre2_match_data* match) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    // The text was checked once by the caller; PCRE2 would do it again for every word.
    int found = pcre2_match(code_.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK, match,
                            context_.get());
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap
      found = pcre2_match(code_.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                          match, context_.get());
    }
    return found > 0 ? pcre2_get_ovector_pointer(match)[1] : 0;
  }

  std::unique_ptr<pcre2_code, FreeCode> code_;
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context_;
  const Expression& expression_;
};

}  // namespace

Result<std::unique_ptr<PreTokenizer>> PreTokenizer::Create(std::string_view name,
                                                           const Options& options) {
  const Expression* expression = nullptr;
  for (const Expression& e : kExpressions) {
    if (e.name == name) expression = &e;
  }
  if (expression == nullptr) {
    return Unsupported("tokenizer.ggml.pre: pre-tokenizer " + Quoted(name) +
                       " is not implemented; expected smollm, llama-bpe, qwen2 or gpt-2");
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Anchored: every character is in some alternative, so the next word starts where the last ended.
  std::unique_ptr<pcre2_code, FreeCode> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression->pattern), PCRE2_ZERO_TERMINATED,
                    PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr));
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context(
      pcre2_match_context_create(nullptr));
  if (code == nullptr || context == nullptr) {
    return Internal("pre-tokenizer " + std::string(name) + ": PCRE2 error " +
                    std::to_string(error) + " at offset " + std::to_string(offset) +
                    "; expected a PCRE2 built with Unicode support");
  }
  if (options.match_limit > 0) pcre2_set_match_limit(context.get(), options.match_limit);
  // Where machine code cannot be made (no JIT in this PCRE2, no executable memory) PCRE2
  // interprets.
  if (options.jit) (void)pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return std::unique_ptr<PreTokenizer>(
      std::make_unique<Pcre2PreTokenizer>(std::move(code), std::move(context), *expression));
}

}  // namespace kvlink::text
