// What a training run is told: everything that decides its result, and where it is written. No
// Torch here, so that programs and tests can fill it in. What decides the result also stands in
// train/run_description.cc, so that a run is not resumed under other options.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "kvlink/method.h"
#include "kvlink/status.h"
#include "model/adapter.h"

namespace kvlink::train {

enum class TrainAttention {
  kLinked,  // documents are blocks, link tokens follow them
  kFull,    // the control: full attention, the adapter off on documents, no link tokens
};

enum class TrainMode {
  kLinks,  // link tokens and adapter on a frozen base, over cached blocks
  kFull,   // every parameter and the link tokens, by masked passes over whole prompts
};

// Whose distribution over the answer distillation follows, under full attention.
enum class TrainTeacher {
  kBase,     // the base model's
  kAdapter,  // that with the adapter, as it is now, outside documents
};

struct TrainOptions {
  std::string model;               // GGUF
  std::string out;                 // the link file
  std::string out_model;           // mode kFull: the model it belongs to, a GGUF file
  DType out_dtype = DType::kBF16;  // of its tensors

  std::string run;                // folder of log, curve and checkpoint; empty: DefaultRunFolder
  bool resume = false;            // go on from the checkpoint in `run`
  int64_t checkpoint_every = 50;  // steps; 0: only at validations and at the end
  int64_t patience = 0;           // validations without improvement that end a run; 0: any number

  std::string mix;                 // file of a mixture (train/mixture.h), in place of `train`
  std::vector<std::string> train;  // files of examples (data/readers.h)
  std::vector<std::string> valid;
  int64_t limit = 0;          // examples of each training file; 0: all
  int64_t valid_limit = 0;    // examples of each validation file; 0: all
  int32_t max_documents = 0;  // at most so many an example, gold ones kept; 0: all
  bool shuffle_documents = true;

  TrainMode mode = TrainMode::kLinks;
  TrainAttention attention = TrainAttention::kLinked;
  int32_t k = 5;      // link tokens after each document
  int32_t slots = 1;  // 1: the same after every document; else one set for each of the first slots
  std::string link_start = "mean";  // or a text whose tokens' embeddings they start from
  std::string start;  // a link file whose numbers and template training starts from; empty: none
  // A file with the prompt template as JSON (text/template.h); empty: that of `start`, else the
  // built-in one that fits the vocabulary.
  std::string prompt_template;
  // What documents are encoded behind, as templates have it (text/template.h), or "none". Empty: as
  // `prompt_template` or `start` says; without these "first", or "none" where documents are
  // trained.
  std::string document_prefix;
  int32_t rank = 16;  // 0: no adapter
  double alpha = 32;
  // Whether it acts on documents too: then they are computed with gradient in every step, and
  // blocks belong to it.
  model::AdapterScope scope = model::AdapterScope::kOutsideDocuments;
  std::vector<model::Projection> targets = {model::Projection::kQ,    model::Projection::kK,
                                            model::Projection::kV,    model::Projection::kO,
                                            model::Projection::kGate, model::Projection::kUp,
                                            model::Projection::kDown};

  // How documents are linked: "link", or with tokens of theirs computed again
  // ("link+attention:0.1", kvlink/method.h). Of several, each example draws one in each pass.
  std::vector<Method> methods = {Method()};

  double distill = 0;  // share of distillation in the loss, 0 to 1 (train/loss.h)
  TrainTeacher teacher = TrainTeacher::kBase;

  double adapter_rate = 5e-4;
  double link_rate = 3e-2;
  double weight_decay = 0;
  double warmup = 0.05;  // share of the steps
  double clip = 1.0;     // of the gradient's norm over everything; 0: none
  int32_t batch = 8;     // examples a step
  double epochs = 1;
  uint64_t seed = 1;

  DType dtype = DType::kBF16;  // of frozen matrices
  // Where gradients are computed: "cpu", "cuda" or "cuda:N". Documents are encoded on the CPU.
  std::string device = "cpu";
  int32_t threads = 1;
  int32_t micro_batch = 4;                   // examples that go through the linear layers together
  int64_t max_tokens = 0;                    // longest prompt with answer; 0: the model's context
  std::string store;                         // folder for documents' blocks; empty: none
  int64_t store_budget = 0;                  // bytes; 0: no limit
  int64_t memory_budget = int64_t{2} << 30;  // bytes of blocks kept in memory

  // Data parallel: `world` processes with the same options but their rank share each step's
  // examples; the first writes.
  int32_t world = 1;
  int32_t rank_of = 0;
  std::string rendezvous;  // where they meet: a file that does not exist yet, or tcp://HOST:PORT

  int64_t valid_every = 100;  // steps; 0: only at the end
};

// The number of the GPU that TrainOptions::device names; none: the CPU. kInvalidArgument: neither.
Result<std::optional<int32_t>> GpuOf(const std::string& device);

// kInvalidArgument, naming the flag, for the first number out of its range.
Status CheckOptions(const TrainOptions& options);

}  // namespace kvlink::train
