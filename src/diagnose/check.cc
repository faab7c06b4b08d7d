#include "diagnose/check.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/guarded.h"
#include "diagnose/comparison.h"
#include "diagnose/scratch_folder.h"
#include "engine/engine_impl.h"
#include "kv/disk_store.h"
#include "link/indexer.h"
#include "link/linkable_model.h"
#include "link/linker.h"
#include "model/reference.h"

namespace kvlink::diagnose {
namespace {

constexpr int32_t kSteps = 16;

struct Text {
  const char* title;
  const char* text;
};
// Texts written for this check: long enough for attention to matter, short enough for the slow
// reference.
constexpr Text kTexts[] = {
    {"The tide clock of Orrel",
     "The tide clock of Orrel stands on the harbour wall and has a single hand. It was cast in "
     "1911 by the bell founder Ines Kolb, who set it by the moon and never by the sun."},
    {"Salt bread",
     "Salt bread is baked in Orrel on the first day of spring. The dough rests for nine hours, and "
     "each loaf is marked with the number of the oven in which it was made."},
    {"The lower market",
     "The lower market opens when the tide clock points to the church. Forty stalls sell rope, "
     "lamp oil and salt bread, and the oldest stall belongs to the family Marrin."}};
constexpr char kQuestion[] = "Who cast the tide clock of Orrel?";

std::string Format(const char* format, double a, double b = 0) {
  char buffer[160];
  std::snprintf(buffer, sizeof buffer, format, a, b);
  return buffer;
}

// Logits are compared in f32, distributions in bf16, where each of the two ways rounds otherwise.
std::string Distances(bool f32, double logit, double kl, double limit) {
  return (f32 ? Format("max |logit difference| %.2e (at most %.0e)", logit, limit)
              : Format("mean KL %.2e nats (at most %.0e)", kl, limit)) +
         (f32 ? Format(", mean KL %.2e nats", kl) : Format(", max |logit difference| %.2e", logit));
}

class Check {
 public:
  Check(link::LinkableModel* m, link::Indexer* indexer) : m_(*m), indexer_(*indexer) {}

  Status Prepare() {
    for (const Text& t : kTexts) documents_.push_back(m_.RenderDocument(t.title, t.text, 0));
    prefix_ = m_.DocumentPrefix("");
    plan_ = m_.Plan("", documents_, kQuestion, /*full=*/false);
    std::vector<std::shared_ptr<const kv::Block>> blocks;
    for (const link::PlannedBlock& b : plan_.blocks) {
      KVLINK_ASSIGN_OR_RETURN(link::IndexedBlock fetched, indexer_.Fetch(plan_, b, prefix_));
      blocks.push_back(std::move(fetched.block));
    }
    linked_prompt_ = link::Link(plan_, std::move(blocks));
    KVLINK_ASSIGN_OR_RETURN(linked_, Run(linked_prompt_, m_.adapter(), {}));
    return {};
  }

  Result<CheckItem> LinkedEqualsMasked() {
    KVLINK_ASSIGN_OR_RETURN(const Continuation masked,
                            Run(link::MaskedTwin(plan_, prefix_), m_.adapter(), linked_.ids));
    const Difference d = Compare(masked, linked_, vocab());
    // In bf16 the two ways round keys at different angles.
    const double limit = f32() ? 2e-3 : 1e-3;
    CheckItem item{"linked_equals_masked",
                   "linked from blocks = one masked pass over the prompt",
                   Distances(f32(), d.max_logit, d.mean_kl, limit),
                   f32() ? d.max_logit : d.mean_kl,
                   limit,
                   true,
                   true};
    item.passed = item.value <= item.limit && (!f32() || d.top1_agreement == 1.0);
    return item;
  }

  Result<CheckItem> FastEqualsSlow() {
    const link::LinkPlan small = m_.Plan("", std::span(documents_).first(1), kQuestion, false);
    const link::LinkedPrompt twin = link::MaskedTwin(small, prefix_);
    const std::vector<int32_t> last = {static_cast<int32_t>(twin.tokens.size()) - 1};
    const links::Links* links = m_.links();
    KVLINK_ASSIGN_OR_RETURN(
        const std::vector<float> slow,
        model::ReferenceLogits(
            m_.model().file(), m_.model().config(),
            {twin.tokens, m_.embeddings(), twin.positions, twin.segment_ids,
             links != nullptr && links->adapter ? &*links->adapter : nullptr, last}));
    KVLINK_RETURN_IF_ERROR(m_.model().file().CheckUnchanged());
    KVLINK_ASSIGN_OR_RETURN(const Continuation fast,
                            Continue(m_.model(), m_.adapter(), m_.embeddings(), twin, 1, {}));
    double largest = 0;
    for (size_t i = 0; i < slow.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(slow[i]) - fast.logits[i]));
    }
    const double kl = KlDivergence(slow, fast.logits);
    const double limit = f32() ? 5e-3 : 1e-2;
    CheckItem item{"fast_equals_reference",
                   "the fast path = a slow float reference",
                   Distances(f32(), largest, kl, limit),
                   f32() ? largest : kl,
                   limit,
                   true,
                   true};
    item.passed = item.value <= item.limit;
    return item;
  }

  Result<CheckItem> StoredEqualsComputed(const kv::DiskStoreOptions& store_options) {
    int64_t bytes = 0, different = 0;
    // Another opening of the same folder: what it gives was read from the disk.
    KVLINK_ASSIGN_OR_RETURN(const std::unique_ptr<kv::DiskStore> again,
                            kv::DiskStore::Open(store_options));
    for (const std::vector<int32_t>& tokens : documents_) {
      KVLINK_ASSIGN_OR_RETURN(const std::shared_ptr<const kv::Block> computed,
                              indexer_.Encode(tokens, link::BlockKind::kDocument, "", prefix_));
      KVLINK_ASSIGN_OR_RETURN(const std::shared_ptr<const kv::Block> stored,
                              again->Get(computed->identity().id));
      const auto a = computed->image(), b = stored->image();
      bytes += static_cast<int64_t>(a.size());
      if (a.size() != b.size() || std::memcmp(a.data(), b.data(), a.size()) != 0) ++different;
    }
    return CheckItem{"stored_equals_computed",
                     "a block read back from disk = the block computed",
                     std::to_string(documents_.size()) + " blocks, " + std::to_string(bytes) +
                         " bytes, " + std::to_string(different) + " blocks differ",
                     static_cast<double>(different),
                     0,
                     true,
                     different == 0};
  }

  Result<CheckItem> FullAgainstLinked() {
    const link::LinkPlan full = m_.Plan("", documents_, kQuestion, /*full=*/true);
    KVLINK_ASSIGN_OR_RETURN(const Continuation reference,
                            Run(link::MaskedTwin(full), nullptr, linked_.ids));
    const Difference d = Compare(reference, linked_, vocab());
    return CheckItem{
        "full_against_linked",
        "full attention against linked, on three short texts",
        Format("mean KL %.3f nats, top-1 agreement %.0f %%", d.mean_kl, 100 * d.top1_agreement),
        d.mean_kl,
        0,
        false,
        true};
  }

 private:
  bool f32() const { return m_.model().kv_dtype() == DType::kF32; }
  int64_t vocab() const { return m_.model().config().vocab; }
  Result<Continuation> Run(const link::LinkedPrompt& prompt, model::PreparedAdapter* adapter,
                           std::span<const int32_t> forced) {
    return Continue(m_.model(), adapter, m_.embeddings(), prompt, kSteps, forced);
  }

  link::LinkableModel& m_;
  link::Indexer& indexer_;
  std::vector<std::vector<int32_t>> documents_;
  std::vector<int32_t> prefix_;  // that they are encoded behind
  link::LinkPlan plan_;
  link::LinkedPrompt linked_prompt_;
  Continuation linked_;
};

Result<CheckReport> CheckUnguarded(const EngineOptions& options,
                                   const std::function<void(std::string_view)>& progress) {
  const auto step = [&](std::string_view name) {
    if (progress) progress(name);
  };
  step("loading the model");
  KVLINK_ASSIGN_OR_RETURN(
      const std::unique_ptr<link::LinkableModel> model,
      link::LinkableModel::Load(FileSystem::Posix(), options.model_path, options.links_path,
                                engine::ModelOptionsOf(options), options.prompt_template));
  if (options.warn && !model->template_concern().empty()) options.warn(model->template_concern());
  if (const std::string why = model::WhyNotLinkable(model->model().config()); !why.empty()) {
    return Unsupported("this model cannot be linked: " + why);
  }
  KVLINK_ASSIGN_OR_RETURN(const std::unique_ptr<ScratchFolder> folder, ScratchFolder::Create());
  kv::DiskStoreOptions store_options;
  store_options.path = folder->path() + "/store";
  KVLINK_ASSIGN_OR_RETURN(const std::unique_ptr<kv::DiskStore> store,
                          kv::DiskStore::Open(store_options));
  link::Indexer indexer(&model->model(), store.get(), model->links(), model->adapter());

  CheckReport report;
  Check check(model.get(), &indexer);
  KVLINK_RETURN_IF_ERROR(check.Prepare());
  const auto add = [&](Result<CheckItem> item) -> Status {
    if (!item.ok()) return item.status();
    report.passed = report.passed && item->passed;
    report.items.push_back(*std::move(item));
    return {};
  };
  step("linked against masked");
  KVLINK_RETURN_IF_ERROR(add(check.LinkedEqualsMasked()));
  step("fast path against the slow reference");
  KVLINK_RETURN_IF_ERROR(add(check.FastEqualsSlow()));
  step("blocks on disk");
  KVLINK_RETURN_IF_ERROR(add(check.StoredEqualsComputed(store_options)));
  step("full attention against linked");
  KVLINK_RETURN_IF_ERROR(add(check.FullAgainstLinked()));
  const std::string concern = model->WhyNotGated();
  report.gate_note = concern.empty() ? model->links()->gate.summary : concern;
  return report;
}

}  // namespace

Result<CheckReport> RunCheck(const EngineOptions& options,
                             const std::function<void(std::string_view)>& progress) {
  return Guarded("check: there is not enough memory; close other programs",
                 [&] { return CheckUnguarded(options, progress); });
}

}  // namespace kvlink::diagnose
