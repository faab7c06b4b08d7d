// Digests of large files, remembered between processes, so that a model that was hashed once is not
// hashed at every start. A file is known by device, inode, size and times; its name does not count.
// The format is docs/digest-cache.md's. Not here: what is hashed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"

namespace kvlink {

// A cache that cannot be read or written, that is damaged, or that another user could have written,
// costs the hashing and is never an error. Thread-safe; of several writers the last one wins.
class DigestCache {
 public:
  // `path`: of the cache's file, made on the first use with its folder and the one above that, no
  // more. Empty: nothing is remembered. `files` and `clock` outlive it.
  explicit DigestCache(std::string path, FileSystem& files = FileSystem::Posix(),
                       Clock& clock = Clock::System())
      : path_(std::move(path)), files_(files), clock_(clock) {}

  // The digest called `what` of the mapped file: as it is remembered, or else computed. `what`
  // names everything beside the file's bytes that decides the digest, the way of computing it
  // included. A file that was written to within the last two seconds is not remembered: its times
  // may be too coarse to show another write. Nor is one that changed while it was hashed.
  Sha256Digest Get(const MappedFile& file, std::string_view what,
                   const std::function<Sha256Digest()>& compute) const;

 private:
  struct Entry {
    Sha256Digest key, digest;
  };
  std::vector<Entry> Read() const;  // most recently added first; empty: not there or not believed
  void Write(const std::vector<Entry>& entries) const;

  const std::string path_;
  FileSystem& files_;
  Clock& clock_;
};

}  // namespace kvlink
