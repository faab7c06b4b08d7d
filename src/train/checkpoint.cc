#include "train/checkpoint.h"

#include <array>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/publish.h"

namespace kvlink::train {
namespace {

constexpr std::string_view kMagic = "KVLTRAIN";
constexpr size_t kArrays = 4;

// Little-endian, no padding; docs/training.md.
struct Header {
  std::array<char, 8> magic{};
  uint32_t version = 0;
  uint32_t header_bytes = 0;
  CheckpointCounters counters;
  uint64_t description_bytes = 0;
  uint64_t description_hash = 0;
  uint64_t parameters = 0;  // P
  uint64_t best = 0;        // P or 0
  std::array<uint64_t, kArrays> hashes{};
  uint64_t header_hash = 0;  // of the bytes above
};
static_assert(sizeof(Header) == 16 + 64 + 32 + 8 * kArrays + 8);
constexpr size_t kHashedBytes = sizeof(Header) - sizeof(uint64_t);

std::span<const std::byte> BytesOf(const Header& header) {
  return std::as_bytes(std::span(&header, 1));
}

Status WriteAll(WritableFile& file, const Header& header, const CheckpointView& view) {
  KVLINK_RETURN_IF_ERROR(file.Append(BytesOf(header)));
  KVLINK_RETURN_IF_ERROR(file.Append(AsBytes(view.description)));
  for (const std::span<const float> array : {view.values, view.first, view.second, view.best}) {
    if (!array.empty()) KVLINK_RETURN_IF_ERROR(file.Append(std::as_bytes(array)));
  }
  return {};
}

}  // namespace

Status SaveCheckpoint(FileSystem& files, const std::string& path, const CheckpointView& view) {
  Header header;
  std::memcpy(header.magic.data(), kMagic.data(), kMagic.size());
  header.version = kCheckpointVersion;
  header.header_bytes = sizeof(Header);
  header.counters = view.counters;
  header.description_bytes = view.description.size();
  header.description_hash = Xxh3(AsBytes(view.description));
  header.parameters = view.values.size();
  header.best = view.best.size();
  const std::array arrays = {view.values, view.first, view.second, view.best};
  for (size_t i = 0; i < kArrays; ++i) header.hashes[i] = Xxh3(std::as_bytes(arrays[i]));
  header.header_hash = Xxh3(BytesOf(header).first(kHashedBytes));

  return PublishFile(files, path, [&](WritableFile& file) { return WriteAll(file, header, view); });
}

Result<Checkpoint> LoadCheckpoint(FileSystem& files, const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const auto mapped, files.Map(path));
  const std::span<const std::byte> bytes = mapped->bytes();
  const auto damaged = [&](const std::string& what) {
    return DataLoss(path + ": damaged checkpoint: " + what +
                    "; start the run again without --resume");
  };
  ByteReader reader(bytes);
  Header header;
  if (bytes.size() < kMagic.size() || AsText(bytes.first(kMagic.size())) != kMagic) {
    return DataLoss(path + ": no checkpoint: expected to begin with " + std::string(kMagic));
  }
  if (!reader.Read(&header)) {
    return damaged("expected " + std::to_string(sizeof(Header)) + " bytes of header, found " +
                   std::to_string(bytes.size()));
  }
  if (header.version != kCheckpointVersion) {
    return FailedPrecondition(path + ": checkpoint of version " + std::to_string(header.version) +
                              ", expected " + std::to_string(kCheckpointVersion) +
                              "; resume it with the program that wrote it");
  }
  if (header.header_bytes != sizeof(Header) ||
      header.header_hash != Xxh3(bytes.first(kHashedBytes))) {
    return damaged("the header's checksum differs");
  }
  // Sizes are checked before they are multiplied: no product can wrap.
  const uint64_t most = bytes.size() / sizeof(float);
  if (header.parameters > most || header.best > most ||
      (header.best != 0 && header.best != header.parameters) ||
      header.description_bytes > bytes.size() ||
      sizeof(Header) + header.description_bytes +
              (3 * header.parameters + header.best) * sizeof(float) !=
          bytes.size()) {
    return damaged("its length does not fit its sizes (" + std::to_string(bytes.size()) +
                   " bytes found)");
  }
  Checkpoint checkpoint;
  checkpoint.counters = header.counters;
  std::span<const std::byte> part;
  reader.ReadSpan(header.description_bytes, &part);
  if (Xxh3(part) != header.description_hash) return damaged("the description's checksum differs");
  checkpoint.description = AsText(part);
  const std::array<std::pair<std::vector<float>*, uint64_t>, kArrays> arrays = {
      {{&checkpoint.values, header.parameters},
       {&checkpoint.first, header.parameters},
       {&checkpoint.second, header.parameters},
       {&checkpoint.best, header.best}}};
  for (size_t i = 0; i < kArrays; ++i) {
    const auto& [array, count] = arrays[i];
    reader.ReadSpan(count * sizeof(float), &part);
    if (Xxh3(part) != header.hashes[i]) {
      return damaged("the checksum of array " + std::to_string(i) + " differs");
    }
    array->resize(count);
    if (count > 0) std::memcpy(array->data(), part.data(), part.size());
  }
  KVLINK_RETURN_IF_ERROR(mapped->CheckUnchanged());  // between its hash and its copy
  return checkpoint;
}

}  // namespace kvlink::train
