// The C interface (kvlink/kvlink.h) over the C++ one. No exception leaves a function here.
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "base/guarded.h"
#include "base/quote.h"
#include "kvlink/engine.h"
#include "kvlink/kvlink.h"

struct kvlink_options {
  kvlink::EngineOptions options;
};
struct kvlink_engine {
  std::unique_ptr<kvlink::Engine> engine;
};
struct kvlink_request {
  kvlink::Request request;
};
struct kvlink_answer {
  kvlink::Answer answer;
};

namespace kvlink {
namespace {

thread_local std::string last_error;

// Stored numbers of kvlink_status never change; those of StatusCode may.
kvlink_status CodeOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return KVLINK_OK;
    case StatusCode::kInvalidArgument:
      return KVLINK_INVALID_ARGUMENT;
    case StatusCode::kNotFound:
      return KVLINK_NOT_FOUND;
    case StatusCode::kDataLoss:
      return KVLINK_DATA_LOSS;
    case StatusCode::kFailedPrecondition:
      return KVLINK_FAILED_PRECONDITION;
    case StatusCode::kUnsupported:
      return KVLINK_UNSUPPORTED;
    case StatusCode::kResourceExhausted:
      return KVLINK_RESOURCE_EXHAUSTED;
    case StatusCode::kUnavailable:
      return KVLINK_UNAVAILABLE;
    case StatusCode::kCancelled:
      return KVLINK_CANCELLED;
    case StatusCode::kInternal:
      return KVLINK_INTERNAL;
  }
  return KVLINK_INTERNAL;
}

kvlink_status Report(const Status& status) {
  try {
    last_error = status.message();
  } catch (const std::bad_alloc&) {
    last_error.clear();
  }
  return CodeOf(status.code());
}

template <class Work>
kvlink_status Call(Work&& work) {
  return Report(Guarded("there is not enough memory; close other programs", work));
}

std::string TextOf(const char* text) { return text == nullptr ? std::string() : text; }

template <class T>
Status ReadNumber(const char* key, const char* value, T least, T most, T* out) {
  const std::string_view text(value);
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(number >= least && number <= most)) {
    return InvalidArgument(std::string(key) + ": expected a number of " + std::to_string(least) +
                           " to " + std::to_string(most) + ", found " + Quoted(text));
  }
  *out = number;
  return {};
}

template <class T>
Status ReadNumber(const char* key, const char* value, T* out) {
  return ReadNumber<T>(key, value, 0, std::numeric_limits<T>::max(), out);
}

Status ReadFlag(const char* key, const char* value, bool* out) {
  int number = 0;
  KVLINK_RETURN_IF_ERROR(ReadNumber(key, value, 0, 1, &number));
  *out = number == 1;
  return {};
}

Status Unknown(const char* what, const char* key) {
  return InvalidArgument(std::string(what) + " has no key " + Quoted(key) +
                         "; kvlink/kvlink.h lists them");
}

Status Null(const char* what) {
  return InvalidArgument(std::string(what) + " is null; it must not be");
}

Status SetOption(EngineOptions& o, const char* key, const char* value) {
  const std::string_view name(key);
  if (name == "model") return o.model_path = value, Status();
  if (name == "store") return o.store_path = value, Status();
  if (name == "links") return o.links_path = value, Status();
  if (name == "template") return o.prompt_template = value, Status();
  if (name == "dtype") {
    KVLINK_ASSIGN_OR_RETURN(o.dtype, ParseDType(value));
    return {};
  }
  if (name == "threads") return ReadNumber(key, value, &o.threads);
  if (name == "store_budget_bytes") return ReadNumber(key, value, &o.store_budget_bytes);
  if (name == "kv_budget_bytes") return ReadNumber(key, value, &o.kv_budget_bytes);
  if (name == "store_read_only") return ReadFlag(key, value, &o.store_read_only);
  return Unknown("kvlink_options", key);
}

Status SetRequest(Request& r, const char* key, const char* value) {
  const std::string_view name(key);
  Sampling& s = r.sampling;
  const float most = std::numeric_limits<float>::max();
  if (name == "system") return r.system = value, Status();
  if (name == "method") {
    KVLINK_ASSIGN_OR_RETURN(r.method, ParseMethod(value));
    return {};
  }
  if (name == "stop") return r.stop.emplace_back(value), Status();
  if (name == "max_tokens") return ReadNumber(key, value, &r.max_tokens);
  if (name == "temperature") return ReadNumber(key, value, 0.0f, most, &s.temperature);
  if (name == "top_k") return ReadNumber(key, value, &s.top_k);
  if (name == "top_p") return ReadNumber(key, value, 0.0f, 1.0f, &s.top_p);
  if (name == "min_p") return ReadNumber(key, value, 0.0f, 1.0f, &s.min_p);
  if (name == "repetition_penalty") {
    return ReadNumber(key, value, 0.0f, most, &s.repetition_penalty);
  }
  if (name == "seed") return ReadNumber(key, value, &s.seed.emplace());
  if (name == "n") return ReadNumber(key, value, &r.n);
  if (name == "deadline_ms") return ReadNumber(key, value, &r.deadline_ms);
  if (name == "strict") return ReadFlag(key, value, &r.strict);
  if (name == "require_gate") return ReadFlag(key, value, &r.require_gate);
  return Unknown("kvlink_request", key);
}

const Choice* ChoiceOf(const kvlink_answer* answer, int32_t choice) {
  if (answer == nullptr || choice < 0) return nullptr;
  if (choice == 0) return &answer->answer;
  const auto index = static_cast<size_t>(choice) - 1;
  return index < answer->answer.others.size() ? &answer->answer.others[index] : nullptr;
}

}  // namespace
}  // namespace kvlink

using namespace kvlink;

extern "C" {

const char* kvlink_version(void) { return KVLINK_VERSION; }
const char* kvlink_last_error(void) { return last_error.c_str(); }

kvlink_options* kvlink_options_new(void) { return new (std::nothrow) kvlink_options; }
void kvlink_options_free(kvlink_options* options) { delete options; }

kvlink_status kvlink_options_set(kvlink_options* options, const char* key, const char* value) {
  return Call([&] {
    if (options == nullptr || key == nullptr || value == nullptr) {
      return Null("kvlink_options_set: options, key or value");
    }
    return SetOption(options->options, key, value);
  });
}

kvlink_status kvlink_open(const kvlink_options* options, kvlink_engine** engine) {
  return Call([&]() -> Status {
    if (options == nullptr || engine == nullptr) return Null("kvlink_open: options or engine");
    *engine = nullptr;
    KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<Engine> opened, Engine::Open(options->options));
    *engine = new kvlink_engine{std::move(opened)};
    return {};
  });
}

void kvlink_close(kvlink_engine* engine) { delete engine; }

const char* kvlink_model_text(const kvlink_engine* engine, const char* key) {
  if (engine == nullptr || key == nullptr) return nullptr;
  const ModelSummary& m = engine->engine->model();
  const std::pair<const char*, const std::string*> texts[] = {
      {"name", &m.name},
      {"architecture", &m.architecture},
      {"fingerprint", &m.fingerprint},
      {"compute", &m.compute},
      {"template", &m.template_name},
      {"why_not_linkable", &m.why_not_linkable},
      {"why_not_gated", &m.why_not_gated}};
  if (std::strcmp("dtype", key) == 0) return Name(m.dtype).data();
  for (const auto& [name, text] : texts) {
    if (std::strcmp(name, key) == 0) return text->c_str();
  }
  return nullptr;
}

int64_t kvlink_count_tokens(const kvlink_engine* engine, const char* text) {
  int64_t tokens = -1;
  (void)Call([&]() -> Status {
    if (engine == nullptr || text == nullptr) return Null("kvlink_count_tokens: engine or text");
    tokens = engine->engine->CountTokens(text);
    return {};
  });
  return tokens;
}

kvlink_status kvlink_encode(kvlink_engine* engine, const char* title, const char* text,
                            int64_t* tokens) {
  return Call([&]() -> Status {
    if (engine == nullptr || text == nullptr) return Null("kvlink_encode: engine or text");
    Document document;
    document.title = TextOf(title);
    document.text = text;
    KVLINK_ASSIGN_OR_RETURN(const Encoded encoded, engine->engine->Encode(document));
    if (tokens != nullptr) *tokens = encoded.tokens;
    return {};
  });
}

kvlink_request* kvlink_request_new(const char* question) {
  kvlink_request* made = nullptr;
  (void)Call([&]() -> Status {
    auto request = std::make_unique<kvlink_request>();
    request->request.question = TextOf(question);
    made = request.release();
    return {};
  });
  return made;
}

void kvlink_request_free(kvlink_request* request) { delete request; }

kvlink_status kvlink_request_set(kvlink_request* request, const char* key, const char* value) {
  return Call([&] {
    if (request == nullptr || key == nullptr || value == nullptr) {
      return Null("kvlink_request_set: request, key or value");
    }
    return SetRequest(request->request, key, value);
  });
}

kvlink_status kvlink_request_add_document(kvlink_request* request, const char* id,
                                          const char* title, const char* text) {
  return Call([&]() -> Status {
    if (request == nullptr || text == nullptr) {
      return Null("kvlink_request_add_document: request or text");
    }
    Document document;
    document.id = TextOf(id);
    document.title = TextOf(title);
    document.text = text;
    request->request.documents.push_back(std::move(document));
    return {};
  });
}

kvlink_status kvlink_request_add_message(kvlink_request* request, const char* role,
                                         const char* content) {
  return Call([&]() -> Status {
    if (request == nullptr || role == nullptr || content == nullptr) {
      return Null("kvlink_request_add_message: request, role or content");
    }
    const std::string_view name(role);
    if (name != "user" && name != "assistant") {
      return InvalidArgument("role: expected user or assistant, found " + Quoted(name));
    }
    request->request.messages.push_back(
        {name == "user" ? Message::Role::kUser : Message::Role::kAssistant, content});
    return {};
  });
}

kvlink_status kvlink_ask(kvlink_engine* engine, const kvlink_request* request,
                         kvlink_text_sink sink, void* user, kvlink_answer** answer) {
  return Call([&]() -> Status {
    if (engine == nullptr || request == nullptr || answer == nullptr) {
      return Null("kvlink_ask: engine, request or answer");
    }
    *answer = nullptr;
    TextSink to;
    if (sink != nullptr) {
      to = [&](std::string_view text) { return sink(user, text.data(), text.size()) != 0; };
    }
    KVLINK_ASSIGN_OR_RETURN(Answer made, engine->engine->Ask(request->request, to));
    *answer = new kvlink_answer{std::move(made)};
    return {};
  });
}

kvlink_status kvlink_submit(kvlink_engine* engine, const kvlink_request* request,
                            kvlink_event_handler handler, void* user, uint64_t* id) {
  return Call([&]() -> Status {
    if (engine == nullptr || request == nullptr || handler == nullptr) {
      return Null("kvlink_submit: engine, request or handler");
    }
    const auto tell = [handler, user](const Event& event) {
      kvlink_event out{};
      out.request = event.request;
      out.choice = event.choice;
      out.text = event.text.data();
      out.size = event.text.size();
      kvlink_status status = KVLINK_OK;
      if (event.kind == Event::Kind::kDone) {
        out.status = &status;
        const Result<Answer>& answer = *event.answer;
        status = CodeOf(answer.code());
        if (answer.ok()) {
          out.answer = new (std::nothrow) kvlink_answer{*answer};
        } else {
          out.error = answer.status().message().c_str();
        }
      } else if (event.text.empty()) {
        return;
      }
      handler(user, &out);
    };
    KVLINK_ASSIGN_OR_RETURN(const RequestId started,
                            engine->engine->Submit(request->request, tell));
    if (id != nullptr) *id = started;
    return {};
  });
}

void kvlink_cancel(kvlink_engine* engine, uint64_t id) {
  if (engine != nullptr) (void)Call([&] { return engine->engine->Cancel(id), Status(); });
}

const char* kvlink_answer_text(const kvlink_answer* answer, int32_t choice) {
  const Choice* of = ChoiceOf(answer, choice);
  return of == nullptr ? nullptr : of->text.c_str();
}

const char* kvlink_answer_finish_reason(const kvlink_answer* answer, int32_t choice) {
  const Choice* of = ChoiceOf(answer, choice);
  return of == nullptr ? nullptr : Name(of->finish_reason).data();  // a literal
}

double kvlink_answer_number(const kvlink_answer* answer, const char* key) {
  if (answer == nullptr || key == nullptr) return std::nan("");
  const Answer& a = answer->answer;
  const std::pair<const char*, double> numbers[] = {
      {"prompt_tokens", a.usage.prompt_tokens},
      {"computed_tokens", a.usage.computed_tokens},
      {"exact_tokens", a.usage.exact_tokens},
      {"linked_tokens", a.usage.linked_tokens},
      {"completion_tokens", a.usage.completion_tokens},
      {"ttft_ms", a.timings.ttft_ms},
      {"load_ms", a.timings.load_ms},
      {"encode_ms", a.timings.encode_ms},
      {"prefill_ms", a.timings.prefill_ms},
      {"decode_ms", a.timings.decode_ms},
      {"choices", a.others.size() + 1},
      {"documents", a.document_uses.size()},
      {"warnings", a.warnings.size()}};
  for (const auto& [name, number] : numbers) {
    if (std::strcmp(name, key) == 0) return number;
  }
  return std::nan("");
}

const char* kvlink_answer_document(const kvlink_answer* answer, int32_t document) {
  if (answer == nullptr || document < 0) return nullptr;
  const auto index = static_cast<size_t>(document);
  return index < answer->answer.document_uses.size()
             ? Name(answer->answer.document_uses[index].status).data()
             : nullptr;
}

const char* kvlink_answer_warning(const kvlink_answer* answer, int32_t warning) {
  if (answer == nullptr || warning < 0) return nullptr;
  const auto index = static_cast<size_t>(warning);
  return index < answer->answer.warnings.size() ? answer->answer.warnings[index].c_str() : nullptr;
}

void kvlink_answer_free(kvlink_answer* answer) { delete answer; }

}  // extern "C"
