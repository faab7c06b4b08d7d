/* The C interface from C: opens a model, asks over documents in both ways, cancels, and meets every
 * kind of misuse. c_program MODEL STORE; exits 0 if all is right. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvlink/kvlink.h"

#define EXPECT(condition)                                                         \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, \
              kvlink_last_error());                                               \
      exit(1);                                                                    \
    }                                                                             \
  } while (0)

static int shown;
static int show(void* user, const char* text, size_t size) {
  (void)text;
  *(size_t*)user += size;
  return ++shown < 1000;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static kvlink_answer* submitted;
static int is_done;
static char heard[4096];

static void hear(void* user, const kvlink_event* event) {
  (void)user;
  pthread_mutex_lock(&mutex);
  if (event->status == NULL) strncat(heard, event->text, event->size);
  if (event->status != NULL) {
    EXPECT(*event->status == KVLINK_OK);
    submitted = event->answer;
    is_done = 1;
    pthread_cond_signal(&ended);
  }
  pthread_mutex_unlock(&mutex);
}

int main(int argc, char** argv) {
  EXPECT(argc == 3);
  EXPECT(strlen(kvlink_version()) > 0);
  kvlink_options* options = kvlink_options_new();
  kvlink_engine* engine = NULL;
  EXPECT(kvlink_open(options, &engine) != KVLINK_OK && engine == NULL);
  EXPECT(strlen(kvlink_last_error()) > 0);
  EXPECT(kvlink_options_set(options, "model", argv[1]) == KVLINK_OK);
  EXPECT(strlen(kvlink_last_error()) == 0);
  EXPECT(kvlink_options_set(options, "store", argv[2]) == KVLINK_OK);
  EXPECT(kvlink_options_set(options, "threads", "1") == KVLINK_OK);
  EXPECT(kvlink_options_set(options, "threads", "-1") == KVLINK_INVALID_ARGUMENT);
  EXPECT(kvlink_options_set(options, "colour", "red") == KVLINK_INVALID_ARGUMENT);
  EXPECT(strstr(kvlink_last_error(), "colour") != NULL);
  EXPECT(kvlink_options_set(NULL, "model", "x") == KVLINK_INVALID_ARGUMENT);
  EXPECT(kvlink_open(options, &engine) == KVLINK_OK);
  kvlink_options_free(options);
  EXPECT(strcmp(kvlink_model_text(engine, "architecture"), "llama") == 0);
  EXPECT(kvlink_model_text(engine, "colour") == NULL);
  EXPECT(kvlink_count_tokens(engine, "some words") > 0);

  const char* text = "Nine cranes stand at the harbour.";
  int64_t tokens = 0;
  EXPECT(kvlink_encode(engine, "Harbour", text, &tokens) == KVLINK_OK && tokens > 5);
  kvlink_request* request = kvlink_request_new("how many cranes?");
  EXPECT(kvlink_request_add_document(request, "a", "Harbour", text) == KVLINK_OK);
  EXPECT(kvlink_request_add_message(request, "user", "hello") == KVLINK_OK);
  EXPECT(kvlink_request_add_message(request, "assistant", "hello") == KVLINK_OK);
  EXPECT(kvlink_request_add_message(request, "robot", "hello") == KVLINK_INVALID_ARGUMENT);
  EXPECT(kvlink_request_set(request, "max_tokens", "12") == KVLINK_OK);
  EXPECT(kvlink_request_set(request, "temperature", "0.5") == KVLINK_OK);
  EXPECT(kvlink_request_set(request, "seed", "7") == KVLINK_OK);
  EXPECT(kvlink_request_set(request, "n", "2") == KVLINK_OK);
  EXPECT(kvlink_request_set(request, "top_p", "2") == KVLINK_INVALID_ARGUMENT);
  size_t bytes = 0;
  kvlink_answer* answer = NULL;
  EXPECT(kvlink_ask(engine, request, show, &bytes, &answer) == KVLINK_OK);
  EXPECT(strlen(kvlink_answer_text(answer, 0)) == bytes);
  EXPECT(kvlink_answer_text(answer, 1) != NULL && kvlink_answer_text(answer, 2) == NULL);
  EXPECT(kvlink_answer_finish_reason(answer, 0) != NULL);
  EXPECT(strcmp(kvlink_answer_document(answer, 0), "linked") == 0);
  EXPECT(kvlink_answer_document(answer, 1) == NULL);
  EXPECT(kvlink_answer_number(answer, "choices") == 2);
  EXPECT(kvlink_answer_number(answer, "linked_tokens") == (double)tokens);
  EXPECT(isnan(kvlink_answer_number(answer, "colour")));

  uint64_t id = 0;
  EXPECT(kvlink_request_set(request, "n", "1") == KVLINK_OK);
  EXPECT(kvlink_submit(engine, request, hear, NULL, &id) == KVLINK_OK && id > 0);
  pthread_mutex_lock(&mutex);
  while (!is_done) pthread_cond_wait(&ended, &mutex);
  pthread_mutex_unlock(&mutex);
  EXPECT(strcmp(kvlink_answer_text(submitted, 0), kvlink_answer_text(answer, 0)) == 0);
  EXPECT(strcmp(heard, kvlink_answer_text(answer, 0)) == 0);
  kvlink_cancel(engine, id);
  kvlink_answer_free(answer);
  kvlink_answer_free(submitted);
  kvlink_answer_free(NULL);
  kvlink_request_free(request);
  kvlink_close(engine);
  kvlink_close(NULL);
  puts("ok");
  return 0;
}
