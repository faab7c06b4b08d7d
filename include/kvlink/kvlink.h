/* kvlink for C, and for every language that can call C: opaque handles, no struct by value, strings
 * in UTF-8 that end with a zero. A function that can fail returns a kvlink_status;
 * kvlink_last_error says more, on the same thread, until the next call. Handles are freed by their
 * own _free or _close, and a null handle may be freed. Source- and binary-compatible within a major
 * version.
 *
 * Not here: indexing folders and searching (kvlink/library.h, C++). */
#ifndef KVLINK_KVLINK_H_
#define KVLINK_KVLINK_H_

#include <stddef.h>
#include <stdint.h>

#define KVLINK_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* As kvlink::StatusCode. */
typedef enum kvlink_status {
  KVLINK_OK = 0,
  KVLINK_INVALID_ARGUMENT = 1,
  KVLINK_NOT_FOUND = 2,
  KVLINK_DATA_LOSS = 3,
  KVLINK_FAILED_PRECONDITION = 4,
  KVLINK_UNSUPPORTED = 5,
  KVLINK_RESOURCE_EXHAUSTED = 6,
  KVLINK_UNAVAILABLE = 7,
  KVLINK_CANCELLED = 8,
  KVLINK_INTERNAL = 9
} kvlink_status;

typedef struct kvlink_options kvlink_options;
typedef struct kvlink_engine kvlink_engine; /* one model, one store; every call from any thread */
typedef struct kvlink_request kvlink_request;
typedef struct kvlink_answer kvlink_answer;

KVLINK_API const char* kvlink_version(void);    /* "0.1.0" */
KVLINK_API const char* kvlink_last_error(void); /* of this thread's last call; "" if it succeeded */

/* Keys: model (a GGUF file; needed), store (a folder), links, template, dtype (auto, bf16, f32),
 * threads, store_budget_bytes, kv_budget_bytes, store_read_only (0, 1). */
KVLINK_API kvlink_options* kvlink_options_new(void); /* null: no memory */
KVLINK_API kvlink_status kvlink_options_set(kvlink_options* options, const char* key,
                                            const char* value);
KVLINK_API void kvlink_options_free(kvlink_options* options);

KVLINK_API kvlink_status kvlink_open(const kvlink_options* options, kvlink_engine** engine);
KVLINK_API void kvlink_close(kvlink_engine* engine); /* ends what is in flight */

/* Keys: name, architecture, fingerprint, dtype, compute, template, why_not_linkable, why_not_gated.
 * Lives as long as the engine; null: no such key. */
KVLINK_API const char* kvlink_model_text(const kvlink_engine* engine, const char* key);
/* Tokens of a text; -1: no memory. */
KVLINK_API int64_t kvlink_count_tokens(const kvlink_engine* engine, const char* text);

/* Encodes a document alone and keeps its block. title may be null. tokens may be null. */
KVLINK_API kvlink_status kvlink_encode(kvlink_engine* engine, const char* title, const char* text,
                                       int64_t* tokens);

/* Keys: system, method (link, full, ...: docs/methods.md), max_tokens, temperature, top_k, top_p,
 * min_p, repetition_penalty, seed, n, deadline_ms, stop (adds one), strict, require_gate (0, 1). */
KVLINK_API kvlink_request* kvlink_request_new(const char* question); /* null: no memory */
KVLINK_API kvlink_status kvlink_request_set(kvlink_request* request, const char* key,
                                            const char* value);
/* In prompt order. id and title may be null. */
KVLINK_API kvlink_status kvlink_request_add_document(kvlink_request* request, const char* id,
                                                     const char* title, const char* text);
/* An earlier turn; role: "user" or "assistant". */
KVLINK_API kvlink_status kvlink_request_add_message(kvlink_request* request, const char* role,
                                                    const char* content);
KVLINK_API void kvlink_request_free(kvlink_request* request);

/* Text that can be shown, as it comes; whole characters, `size` bytes, now and then 0 of them.
 * Returning 0 stops the answer. */
typedef int (*kvlink_text_sink)(void* user, const char* text, size_t size);
/* Waits for the answer. sink may be null; it is called on the calling thread. */
KVLINK_API kvlink_status kvlink_ask(kvlink_engine* engine, const kvlink_request* request,
                                    kvlink_text_sink sink, void* user, kvlink_answer** answer);

/* An answer under way, on a thread of the engine's: text of one of the n choices, until `status` is
 * set: then answer (the handler's to free; null after a failure) or `error` says how it ended. */
typedef struct kvlink_event {
  uint64_t request;
  int32_t choice;
  const char* text; /* `size` bytes */
  size_t size;
  const kvlink_status* status; /* null: there is more to come */
  kvlink_answer* answer;
  const char* error;
} kvlink_event;
typedef void (*kvlink_event_handler)(void* user, const kvlink_event* event);
KVLINK_API kvlink_status kvlink_submit(kvlink_engine* engine, const kvlink_request* request,
                                       kvlink_event_handler handler, void* user, uint64_t* id);
KVLINK_API void kvlink_cancel(kvlink_engine* engine, uint64_t id);

/* Of the choice-th answer, from 0; null: there is none. Live as long as the answer. */
KVLINK_API const char* kvlink_answer_text(const kvlink_answer* answer, int32_t choice);
KVLINK_API const char* kvlink_answer_finish_reason(const kvlink_answer* answer, int32_t choice);
/* Keys: prompt_tokens, computed_tokens, exact_tokens, linked_tokens, completion_tokens, ttft_ms,
 * load_ms, encode_ms, prefill_ms, decode_ms, choices, documents, warnings. NaN: no such key. */
KVLINK_API double kvlink_answer_number(const kvlink_answer* answer, const char* key);
/* "linked", "computed", "dropped"; null: no such document. */
KVLINK_API const char* kvlink_answer_document(const kvlink_answer* answer, int32_t document);
KVLINK_API const char* kvlink_answer_warning(const kvlink_answer* answer, int32_t warning);
KVLINK_API void kvlink_answer_free(kvlink_answer* answer);

#ifdef __cplusplus
}
#endif

#endif /* KVLINK_KVLINK_H_ */
