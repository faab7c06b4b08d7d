#include "train/process_group.h"

#include <torch/utils.h>

#include <charconv>
#include <string>
#include <string_view>

#include "train/torch_failure.h"

#ifdef KVLINK_GLOO
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif
#ifdef KVLINK_NCCL
#include <torch/version.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace kvlink::train {
namespace {

class Alone : public ProcessGroup {
 public:
  Alone() : ProcessGroup(0, 1) {}
};

#ifdef KVLINK_GLOO

class GlooGroup : public ProcessGroup {
 public:
  GlooGroup(const c10::intrusive_ptr<c10d::Store>& store, int32_t rank, int32_t size,
            [[maybe_unused]] at::Device device)
      : ProcessGroup(rank, size) {
    auto options = c10d::ProcessGroupGloo::Options::create();
    options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
    options->threads = 1;
    gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
#ifdef KVLINK_NCCL
    if (device.is_cuda()) {
      nccl_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(
          c10::make_intrusive<c10d::PrefixStore>("nccl", store), rank, size);
    }
#endif
  }
#if defined(KVLINK_NCCL) && (TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 4)
  ~GlooGroup() override {  // or it says at exit that it was not told to go
    if (nccl_) nccl_->shutdown();
  }
#endif
  void Sum(at::Tensor* t) override {
    const at::NoGradGuard no_gradient;
#ifdef KVLINK_NCCL
    if (t->is_cuda()) {
      std::vector<at::Tensor> tensors = {*t};
      nccl_->allreduce(tensors)->wait();
      return;
    }
#endif
    std::vector<at::Tensor> tensors = {t->cpu()};  // the tensor itself where it is there already
    gloo_->allreduce(tensors)->wait();
    if (!t->is_cpu()) t->copy_(tensors[0]);
  }

 private:
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
#ifdef KVLINK_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl_;  // null: tensors are on the CPU
#endif
};

Result<c10::intrusive_ptr<c10d::Store>> OpenStore(const TrainOptions& options) {
  constexpr std::string_view kTcp = "tcp://";
  const std::string_view place = options.rendezvous;
  if (!place.starts_with(kTcp)) {
    return c10::intrusive_ptr<c10d::Store>(
        c10::make_intrusive<c10d::FileStore>(options.rendezvous, options.world));
  }
  const std::string_view address = place.substr(kTcp.size());
  const size_t colon = address.find_last_of(':');
  uint16_t port = 0;
  const std::string_view digits =
      colon == std::string_view::npos ? std::string_view() : address.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (colon == 0 || digits.empty() || error != std::errc() ||
      end != digits.data() + digits.size() || port == 0) {
    return InvalidArgument("--rendezvous: expected a file or tcp://HOST:PORT, found " +
                           options.rendezvous);
  }
  c10d::TCPStoreOptions tcp;
  tcp.port = port;
  tcp.isServer = options.rank_of == 0;
  tcp.numWorkers = options.world;
  return c10::intrusive_ptr<c10d::Store>(
      c10::make_intrusive<c10d::TCPStore>(std::string(address.substr(0, colon)), tcp));
}

#endif

}  // namespace

std::vector<double> ProcessGroup::Sums(const std::vector<double>& mine) {
  at::Tensor all = torch::tensor(mine, at::kDouble);
  Sum(&all);
  return {all.data_ptr<double>(), all.data_ptr<double>() + all.numel()};
}

Result<std::unique_ptr<ProcessGroup>> ProcessGroup::Join(const TrainOptions& options,
                                                         [[maybe_unused]] at::Device device) {
  if (options.world < 1 || options.rank_of < 0 || options.rank_of >= options.world) {
    return InvalidArgument("--rank-of: expected 0 to --world minus 1, found " +
                           std::to_string(options.rank_of) + " of " +
                           std::to_string(options.world));
  }
  if (options.world == 1) return std::unique_ptr<ProcessGroup>(std::make_unique<Alone>());
  if (options.rendezvous.empty()) {
    return InvalidArgument(
        "--world " + std::to_string(options.world) +
        ": expected --rendezvous, a new file that all processes see or tcp://HOST:PORT");
  }
#ifdef KVLINK_GLOO
  try {
    KVLINK_ASSIGN_OR_RETURN(const auto store, OpenStore(options));
    return std::unique_ptr<ProcessGroup>(
        std::make_unique<GlooGroup>(store, options.rank_of, options.world, device));
  } catch (const std::exception& error) {
    return Unavailable("rank " + std::to_string(options.rank_of) + " of " +
                       std::to_string(options.world) + " could not meet the others at " +
                       options.rendezvous + ": " + FirstLineOf(error));
  }
#else
  return Unsupported(
      "this kvlink-train was built without Gloo, so --world must be 1; libgloo-dev has it");
#endif
}

}  // namespace kvlink::train
