// The public interface: an Engine holds one model and one store of blocks, encodes documents once,
// and answers questions over any of them in any order. The method: KVLink (arXiv 2502.16002).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/dtype.h"
#include "kvlink/enums.h"
#include "kvlink/method.h"
#include "kvlink/status.h"

namespace kvlink {
namespace kv {
class BlockStore;  // src/kv/store.h
}

struct Document {
  std::string id;     // the caller's name for it, echoed; may be empty
  std::string title;  // may be empty
  std::string text;
  std::string label;  // kept with the block for rebuilding (opaque, may be empty)
  // Of a request whose documents do not all fit the context: the highest rank is dropped first, of
  // equal ranks the last one.
  int32_t rank = 0;
  // Its block, where one is made now, is never evicted. A block that is there keeps the pin it has.
  bool pinned = false;
};

// An earlier turn of the conversation.
struct Message {
  enum class Role : uint8_t { kUser, kAssistant };
  Role role = Role::kUser;
  std::string content;
};

struct Sampling {
  float temperature = 0;         // 0: greedy
  int32_t top_k = 0;             // 0: off
  float top_p = 1;               // 1: off
  float min_p = 0;               // 0: off
  float repetition_penalty = 1;  // 1: off; over prompt and answer, divides positive logits
  std::optional<uint64_t> seed;  // none: drawn for each request with a temperature, and reported
};

struct Request {
  std::string question;
  std::vector<Message> messages;    // earlier turns, between the documents and the question
  std::string system;               // empty: the template's own
  std::vector<Document> documents;  // in prompt order
  Method method;                    // how they are put into the prompt; linking, if nothing is said
  int32_t max_tokens = 200;
  std::vector<std::string> stop;  // texts that end the answer, beside the template's own
  Sampling sampling;
  int32_t n = 1;             // answers over the same prompt, 1 to 64; seeds count up from the first
  int64_t deadline_ms = 0;   // from Submit(): then the answer ends as it is; 0: none
  int32_t top_logprobs = 0;  // per generated token, how many alternatives to report
  // Where the context has no room for all documents, they are taken by rank, the smallest first,
  // and of equal ones the one that stands first; one that does not fit beside those taken before it
  // is left out, and the next one is tried. strict: the request is refused instead.
  bool strict = false;
  // Refuse to answer over linked documents unless the link file's quality gate was passed with
  // these links on this model (ModelSummary::why_not_gated is empty). Full attention is not gated.
  bool require_gate = false;
  bool want_prompt = false;  // fill Answer::prompt
  // Goes on behind the model's end and the template's stop texts, for measurements.
  bool ignore_end = false;
  // Not empty: an answer known to be right. Its tokens' log-probabilities behind the prompt are
  // reported (Answer::gold_logprobs), apart from what is generated and not part of the timings.
  std::string gold;
};

// What became of a document.
struct DocumentUse {
  std::string id;
  int64_t tokens = 0;
  DocumentStatus status = DocumentStatus::kPending;
  std::string why;    // one line; e.g. "block was in the store", "not in the store"
  std::string block;  // its block's id in hex; empty: it has none in this prompt
};

struct PromptToken {
  int32_t id = 0;  // -1 for a link token that is an embedding of the link file
  int32_t position = 0;
  int32_t segment = 0;  // 0 sees everything before it; i+1 is the i-th document of the prompt
  TokenSource source = TokenSource::kQuestion;
  bool computed = false;  // now, for this request
};

struct TokenChoice {
  int32_t id = 0;
  float logprob = 0;
  std::string text{};  // the token's bytes
};

struct GeneratedToken {
  int32_t id = 0;
  std::string text;   // the token's bytes, which may be a part of a character
  float logprob = 0;  // under the model's own distribution, before sampling settings
  std::vector<TokenChoice> top;
};

struct Usage {
  int64_t prompt_tokens = 0;    // = computed + exact + linked
  int64_t computed_tokens = 0;  // went through the model for this request's prompt
  int64_t exact_tokens = 0;     // reused, the same as computing them (the system block)
  int64_t linked_tokens = 0;    // reused from blocks encoded alone
  int64_t completion_tokens = 0;
};

struct Timings {
  double ttft_ms = 0;     // from Submit() or Ask() to the first token
  double load_ms = 0;     // of it: tokenising, finding, mapping and verifying blocks
  double encode_ms = 0;   // of it: documents that had no block
  double prefill_ms = 0;  // of it: links and question, and what a method computes again
  double decode_ms = 0;   // after the first token
};

// One of the n answers of a request.
struct Choice {
  std::string text;
  FinishReason finish_reason = FinishReason::kStop;
  std::vector<GeneratedToken> generated;
  std::optional<uint64_t> seed;  // of the sampler; none: greedy, nothing was drawn
};

struct Answer : Choice {       // the first choice
  std::vector<Choice> others;  // n - 1
  std::vector<PromptToken> prompt;
  std::vector<float> gold_logprobs;  // of Request::gold's tokens and the token that ends an answer
  std::vector<DocumentUse> document_uses;
  Usage usage;
  Timings timings;
  std::vector<std::string> warnings;
  int64_t kv_bytes = 0;      // KV in use: blocks and tail
  int64_t kv_own_bytes = 0;  // of it, what this request alone owns (the tail)
};

// What `Encode` did with a document.
struct Encoded {
  int64_t tokens = 0;
  EncodeStatus status = EncodeStatus::kEmpty;
  std::string block;  // block id, hex
  std::string why;    // empty, or why the block could not be kept, or why there is none
};

// What is known of a document before it is encoded.
struct Described {
  int64_t tokens = 0;  // as it stands in a prompt
  std::string block;   // the id its block has under this model and template, hex; empty: none
};

struct EngineOptions {
  std::string model_path;                 // a GGUF file
  std::shared_ptr<kv::BlockStore> store;  // where blocks rest; nullptr: what store_path says
  std::string store_path;                 // empty: blocks live in memory only
  std::string links_path;                 // empty: no link file (K = 0, not measured)
  // How prompts are written: "chatml", "llama3", or a JSON file (docs/link-file.md). Empty: as the
  // link file says, else as the model's file does.
  std::string prompt_template;
  DType dtype = DType::kBF16;  // of blocks; kF32: of everything
  // 0: as many as this process may use (affinity, a container's quota); more are cut to that.
  int32_t threads = 0;
  // A file of kvlink's own in which hashes of models and link files are remembered, so that the
  // next opening need not read them all (docs/digest-cache.md). Made if missing. Empty: none.
  std::string digests_path;
  int64_t store_budget_bytes = 0;  // 0: no limit
  // What the requests in flight may own of KV together; the others wait. 0: a quarter of the
  // machine's memory.
  int64_t kv_budget_bytes = 0;
  // A store that cannot be written is only read, one that cannot be read is left out, with a
  // warning. A folder that is no store, and not empty, is refused.
  bool store_read_only = false;
  std::function<void(std::string_view)> warn;  // the library itself prints nothing
};

struct ModelSummary {
  std::string path, name, architecture, file_type, rope, tokenizer, fingerprint, compute;
  DType dtype = DType::kBF16;
  std::string why_not_linkable;  // empty: it can be linked
  std::string template_name;
  std::string template_concern;  // why prompts may not be what the model knows; empty: no reason
  int64_t parameters = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, width = 0;
  int64_t feed_forward = 0, vocab = 0, context_tokens = 0, kv_bytes_per_token = 0;
  int64_t weight_bytes = 0;  // memory held by packed weights
  int32_t link_tokens = 0;   // K
  std::string links_path;
  std::string links_content;  // hex: SHA-256 over the link file but its gate; empty: no link file
  bool has_adapter = false;   // the link file's
  std::string gate;           // the link file's recorded quality gate, or why there is none
  std::string why_not_gated;  // empty: its gate was passed
};

// Called with each piece of text (whole UTF-8 characters) of the first choice. Returning false
// stops the answer, which then ends with what was shown.
using TextSink = std::function<bool(std::string_view)>;

using RequestId = uint64_t;  // ascend from 1 in an engine

// What is told of a request under way.
struct Event {
  enum class Kind : uint8_t {
    kProgress,  // of documents that have no block
    kToken,     // a token was generated
    kDone,      // the last one
  };
  Kind kind = Kind::kProgress;
  RequestId request = 0;
  int64_t documents_encoded = 0, documents_to_encode = 0;  // kProgress
  // kToken. What can be shown now: whole characters, not yet the beginning of a stop text.
  int32_t choice = 0;
  std::string text;
  std::optional<GeneratedToken> token;  // none: only text was left
  // kDone. Status: why there is no answer.
  std::optional<Result<Answer>> answer;
};

// Events of a request come one at a time and in order. It may call the engine; while it runs, no
// other handler of the engine does.
using EventHandler = std::function<void(const Event&)>;

// One model, one store. No exception leaves what gives a Status or a Result: where memory ends that
// is kResourceExhausted. The look-ups that give plain values may throw std::bad_alloc.
//
// Requests run side by side: each step of the engine's own thread computes some tokens of each, and
// what a request gets does not depend on who runs beside it. Thread promise: every call from any
// thread. The destructor cancels what is in flight and waits for it.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> Open(const EngineOptions& options);
  virtual ~Engine() = default;

  // Starts an answer. Documents without a block are encoded first (and kept). `events` (may be
  // empty) hears of it on a thread of the engine's, kDone included, unless Submit failed.
  // kInvalidArgument: the question is empty, a number is out of range; kUnsupported: the model
  // cannot be linked; kResourceExhausted: longer than the context (strict, or without documents),
  // or than kv_budget_bytes; kFailedPrecondition: require_gate, and the gate was not passed (or
  // measured another method).
  virtual Result<RequestId> Submit(Request request, EventHandler events) = 0;
  // The answer ends as it is, within one step. Nothing happens for one that is done.
  virtual void Cancel(RequestId request) = 0;
  // Submit, and wait. The sink is called on the calling thread, and may call the engine.
  virtual Result<Answer> Ask(const Request& request, const TextSink& sink = {}) = 0;

  // Encodes a document alone and keeps its block. A document of the same tokens is encoded once.
  // kCancelled: `stop` was asked for.
  virtual Result<Encoded> Encode(const Document& document, std::stop_token stop = {}) = 0;

  virtual int64_t CountTokens(std::string_view text) const = 0;
  // The bytes a token stands for, which may be a part of a character; empty for no token.
  virtual std::string TokenText(int32_t id) const = 0;
  // Nothing is computed, and no block looked for.
  virtual Described Describe(const Document& document) const = 0;
  // A name for everything but its text that decides a document's block: model, template, number
  // format, link file. Equal names: a document has one block.
  virtual std::string BlockSpace() const = 0;
  virtual Status RemoveBlock(const Document& document) = 0;
  virtual const ModelSummary& model() const = 0;
};

}  // namespace kvlink
