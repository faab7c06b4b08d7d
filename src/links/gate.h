// The quality gate's record: what was measured with which links, on which model, over which data,
// under one hash of all of it, so that a record copied to other links or edited by hand is not
// believed. Not a defence against a forger: whoever can write the file can measure falsely.
// Measured by `kvlink check --quality`; grammar in docs/link-file.md.
#pragma once

#include <string>
#include <string_view>

#include "base/file.h"
#include "base/hash.h"
#include "formats/safetensors.h"
#include "kvlink/status.h"
#include "links/links.h"

namespace kvlink::links {

struct GateRecord {
  bool passed = false;
  std::string summary;   // one printable line
  std::string figures;   // a JSON object: numbers, sample sizes, intervals
  Sha256Digest model{};  // fingerprint of the base
  Sha256Digest links{};  // LinksContentHash of the file it stands in
  Sha256Digest data{};   // of the questions asked
};

// Over everything in a link file but its gate.
Sha256Digest LinksContentHash(const formats::SafetensorsFile& file);

// The record as metadata "gate" holds it. kInvalidArgument: figures that are no JSON object.
Result<std::string> SignedGate(const GateRecord& record);

// OK if `gate` (JSON) is whole and speaks of this model and these links; else kFailedPrecondition
// says what does not fit.
Status VerifyGate(std::string_view gate, const Sha256Digest& model, const Sha256Digest& links);

// Why answers over documents linked with `links` (nullptr: no link file) are not known to be good,
// and what to do, in one line. Empty: the gate was passed.
std::string WhyNotGated(const Links* links);

// Replaces the gate in the file at `path`; everything else keeps its bytes. Published by rename.
Status RecordGate(FileSystem& files, const std::string& path, const std::string& gate);

}  // namespace kvlink::links
