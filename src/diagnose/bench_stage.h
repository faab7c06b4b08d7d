// What benchmarks run on: an engine with a store of its own in a folder of its own, and made-up
// documents.
#pragma once

#include <memory>
#include <string>

#include "diagnose/bench_subject.h"
#include "diagnose/scratch_folder.h"
#include "engine/engine_impl.h"
#include "kv/warm_store.h"
#include "kvlink/engine.h"

namespace kvlink::diagnose {

struct BenchStage {
  std::unique_ptr<ScratchFolder> folder;
  kv::WarmStore* warm = nullptr;  // the engine's
  std::unique_ptr<engine::EngineImpl> engine;
};

Result<BenchStage> SetStage(std::unique_ptr<link::LinkableModel> model,
                            const EngineOptions& options);

// Of 200 tokens (rendered, within a word), another one for each number.
Document MadeUpDocument(const link::LinkableModel& model, int number);

// threads: as the engine was given them.
BenchSubject SubjectOf(const ModelSummary& model, int threads);

}  // namespace kvlink::diagnose
