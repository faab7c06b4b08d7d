#include "train/arguments.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/number_option.h"
#include "cli/terminal.h"

namespace kvlink::train_app {

namespace {

// A whole number in an environment variable. False: not there, or something else.
bool FromEnvironment(const char* name, int32_t* value) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return false;
  const std::string_view digits = text;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *value);
  return error == std::errc() && end == digits.data() + digits.size();
}

// As torchrun starts processes. False: it is there but not whole.
bool JoinEnvironment(train::TrainOptions* o) {
  if (std::getenv("WORLD_SIZE") == nullptr) return true;
  if (!FromEnvironment("WORLD_SIZE", &o->world) || !FromEnvironment("RANK", &o->rank_of)) {
    return false;
  }
  if (!o->rendezvous.empty() || o->world == 1) return true;
  const char* const host = std::getenv("MASTER_ADDR");
  const char* const port = std::getenv("MASTER_PORT");
  if (host == nullptr || port == nullptr) return false;
  o->rendezvous = std::string("tcp://") + host + ":" + port;
  return true;
}

// An option whose value is one of these names.
template <typename T>
CLI::Option* AddChoice(CLI::App& app, const std::string& flags, T* value,
                       std::vector<std::pair<std::string, T>> choices, const std::string& help) {
  std::vector<std::string> names;
  names.reserve(choices.size());
  for (const auto& [name, choice] : choices) names.push_back(name);
  return app
      .add_option_function<std::string>(
          flags,
          [value, choices](const std::string& given) {
            for (const auto& [name, choice] : choices) {
              if (name == given) *value = choice;
            }
          },
          help)
      ->check(CLI::IsMember(names))
      ->type_name("");
}

// Wrong usage, in one line.
int Refuse(std::string what) {
  while (!what.empty() && what.back() == '\n') what.pop_back();
  std::replace(what.begin(), what.end(), '\n', ' ');
  std::fprintf(stderr, "kvlink-train: %s; see: kvlink-train --help\n",
               cli::CleanLine(what).c_str());
  return 2;
}

}  // namespace

Arguments ParseArguments(int argc, char** argv) {
  Arguments a;
  train::TrainOptions& o = a.options;
  CLI::App app(
      "Trains the link tokens and the adapter that make a model answer over linked documents");
  const CLI::Validator count =
      cli::WholeNumber(0, static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  app.add_option("--model", o.model, "GGUF file of the base model")->required()->type_name("FILE");
  app.add_option("--out", o.out, "The link file to write")->required()->type_name("FILE");
  AddChoice<DType>(app, "--out-dtype", &o.out_dtype, {{"bf16", DType::kBF16}, {"f32", DType::kF32}},
                   "Of its tensors; bf16 if not given");
  CLI::Option* data =
      app.add_option("--data,--train", o.train, "Files of examples")->type_name("FILE");
  app.add_option("--mix", o.mix, "A mixture of data sets, in place of --data (docs/training.md)")
      ->excludes(data)
      ->type_name("FILE");
  CLI::Option* run =
      app.add_option("--run", o.run,
                     "Folder for log, curve and checkpoint; by default the link file's name and "
                     ".run")
          ->type_name("DIR");
  std::string resume;
  app.add_option("--resume", resume, "Go on with the run in this folder, under the same options")
      ->excludes(run)
      ->type_name("DIR");
  app.add_option("--checkpoint-every", o.checkpoint_every,
                 "Steps between checkpoints; 0: only at validations and the end")
      ->check(count)
      ->capture_default_str();
  app.add_option("--patience", o.patience,
                 "Stop after so many validations without improvement; 0: never")
      ->check(count);
  app.add_option("--valid", o.valid, "Files of examples to measure on")->type_name("FILE");
  app.add_option("--limit", o.limit, "Examples of each training file; 0: all")->check(count);
  app.add_option("--valid-limit", o.valid_limit, "Examples of each validation file; 0: all")
      ->check(count);
  app.add_option("--valid-every", o.valid_every, "Steps between validations; 0: only at the end")
      ->check(count)
      ->capture_default_str();
  app.add_option("--documents", o.max_documents, "At most so many documents an example; 0: all");
  AddChoice<train::TrainMode>(
      app, "--mode", &o.mode,
      {{"links", train::TrainMode::kLinks}, {"full", train::TrainMode::kFull}},
      "links: link tokens and adapter on a frozen base (if not given); full: every parameter");
  app.add_option("--out-model", o.out_model, "With --mode full: the model to write, as GGUF")
      ->type_name("FILE");
  AddChoice<train::TrainAttention>(
      app, "--attention", &o.attention,
      {{"linked", train::TrainAttention::kLinked}, {"full", train::TrainAttention::kFull}},
      "linked (if not given), or full: the control without blocks");
  app.add_option("-k,--k,--links", o.k, "Link tokens after each document")->capture_default_str();
  app.add_option("--per-slot", o.slots, "Link tokens of their own for the first N documents")
      ->capture_default_str();
  app.add_option("--start", o.start, "A link file whose numbers training starts from")
      ->type_name("FILE");
  CLI::Option* average =
      app.add_option("--average", a.average.links,
                     "Train nothing: write the mean of these link files, its adapter brought to "
                     "--rank")
          ->type_name("FILE");
  app.add_option(
         "--template", o.prompt_template,
         "The prompt template: chatml, llama3, or JSON (docs/link-file.md) [that of --start, "
         "else the model's own]")
      ->type_name("NAME|FILE");
  app.add_option(
         "--document-prefix", o.document_prefix,
         "What documents are encoded behind: none, first (the prompt's first token) or head "
         "(all before the documents) [as --template or --start has it, else first]")
      ->check(CLI::IsMember({"none", "first", "head"}));
  app.add_option("--link-start", o.link_start, "mean, or a text whose tokens they start from")
      ->capture_default_str();
  app.add_option("--rank", o.rank, "The adapter's rank; 0: no adapter")->capture_default_str();
  app.add_option("--alpha", o.alpha, "The adapter's scale times its rank")->capture_default_str();
  AddChoice<model::AdapterScope>(
      app, "--scope", &o.scope,
      {{"outside_documents", model::AdapterScope::kOutsideDocuments},
       {"everywhere", model::AdapterScope::kEverywhere}},
      "Of the adapter: outside_documents (if not given), or everywhere: on documents too, which "
      "are then computed with gradient in every step");
  app.add_option_function<std::string>(
         "--methods",
         [&o](const std::string& list) {
           Result<std::vector<Method>> methods = ParseMethods(list);
           if (!methods.ok()) throw CLI::ValidationError("--methods", methods.status().message());
           o.methods = *std::move(methods);
         },
         "How documents are linked: link, or with tokens computed again, as link+attention:0.1 "
         "(docs/methods.md); of several, each example draws one")
      ->type_name("METHOD,...")
      ->default_str("link");
  app.add_option("--distill", o.distill,
                 "Share of the loss that follows full attention's distribution on the answer")
      ->check(CLI::Range(0.0, 1.0));
  AddChoice<train::TrainTeacher>(
      app, "--distill-teacher", &o.teacher,
      {{"base", train::TrainTeacher::kBase}, {"adapter", train::TrainTeacher::kAdapter}},
      "base (if not given): the base model under full attention; adapter: with the adapter as it "
      "is");
  const CLI::Option* const rate =
      app.add_option("--lr", o.adapter_rate,
                     "The adapter's learning rate; mode full: everything's, 5e-6")
          ->capture_default_str();
  const CLI::Option* const link_rate =
      app.add_option("--link-lr", o.link_rate, "The link tokens' learning rate; mode full: 5e-6")
          ->capture_default_str();
  app.add_option("--weight-decay", o.weight_decay, "AdamW's")->capture_default_str();
  app.add_option("--warmup", o.warmup, "Share of the steps")->capture_default_str();
  app.add_option("--clip", o.clip, "Largest norm of a gradient; 0: any")->capture_default_str();
  app.add_option("--batch", o.batch, "Examples a step")->capture_default_str();
  app.add_option("--micro-batch", o.micro_batch, "Examples computed together")
      ->capture_default_str();
  app.add_option("--epochs", o.epochs, "Passes over the data; may be a fraction")
      ->capture_default_str();
  app.add_option("--seed", o.seed, "Of the order of examples and documents and of the start")
      ->check(cli::WholeNumber(0, std::numeric_limits<uint64_t>::max()))
      ->capture_default_str();
  AddChoice<DType>(app, "--dtype", &o.dtype,
                   {{"auto", DType::kBF16}, {"bf16", DType::kBF16}, {"f32", DType::kF32}},
                   "Of the frozen matrices; bf16 if not given");
  app.add_option("--device", o.device,
                 "Where gradients are computed: cpu, cuda or cuda:N; cuda alone is that of "
                 "[LOCAL_RANK], else the first")
      ->capture_default_str();
  app.add_option("--threads", o.threads, "Threads; one process of one thread a core trains faster")
      ->capture_default_str();
  const CLI::Option* const world =
      app.add_option("--world", o.world, "Processes that train together [WORLD_SIZE]");
  app.add_option("--rank-of", o.rank_of, "Which of them this is, from 0 [RANK]");
  app.add_option("--rendezvous", o.rendezvous,
                 "Where they meet: a new file, or tcp://HOST:PORT [MASTER_ADDR, MASTER_PORT]");
  app.add_option("--max-tokens", o.max_tokens, "Longest prompt; 0: the model's context")
      ->check(count);
  app.add_option("--store", o.store, "Folder where documents' blocks are kept")->type_name("DIR");
  app.add_option("--store-budget", o.store_budget, "Most bytes it may take; 0: no limit")
      ->transform(cli::SizeOption());
  app.add_option("--memory-budget", o.memory_budget, "Most bytes of blocks kept in memory")
      ->transform(cli::SizeOption());
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success&) {
    std::fputs(app.help().c_str(), stdout);
    if (std::fflush(stdout) != 0) {
      std::fprintf(stderr, "kvlink-train: cannot write to standard output: %s\n",
                   std::strerror(errno));
      a.exit_status = 1;
    }
    return a;
  } catch (const CLI::ParseError& error) {
    a.exit_status = Refuse(error.what());
    return a;
  }
  if (world->empty() && !JoinEnvironment(&o)) {
    a.exit_status = Refuse(
        "WORLD_SIZE is set: expected whole numbers in WORLD_SIZE and RANK, and MASTER_ADDR and "
        "MASTER_PORT or --rendezvous");
    return a;
  }
  if (o.device == "cuda" && (o.world > 1 || std::getenv("LOCAL_RANK") != nullptr)) {
    int32_t local_rank = 0;
    if (!FromEnvironment("LOCAL_RANK", &local_rank)) {
      a.exit_status = Refuse(
          "--device cuda in several processes: expected cuda:N, or the GPU's whole number in "
          "LOCAL_RANK, so that each has its own");
      return a;
    }
    o.device += ":" + std::to_string(local_rank);
  }
  if (o.mode == train::TrainMode::kFull) {  // what the authors trained with
    if (rate->empty()) o.adapter_rate = 5e-6;
    if (link_rate->empty()) o.link_rate = 5e-6;
  }
  if (!resume.empty()) {
    o.run = resume;
    o.resume = true;
  }
  if (!average->empty()) {
    for (const char* other : {"--data", "--mix", "--valid", "--start", "--template", "--mode",
                              "--k", "--scope", "--resume", "--device", "--world"}) {
      if (app.count(other) == 0) continue;
      a.exit_status = Refuse(
          std::string("--average trains nothing: expected --model, --rank, --out and --out-dtype "
                      "alone beside it, found ") +
          other);
      return a;
    }
    a.average.model = o.model;
    a.average.rank = o.rank;
    a.average.out = o.out;
    a.average.out_dtype = o.out_dtype;
  }
  if (const Status fine = train::CheckOptions(o); !fine.ok()) {
    a.exit_status = Refuse(fine.message());
    return a;
  }
  a.run = true;
  return a;
}

}  // namespace kvlink::train_app
