// The gate's record: what it is signed over, and that the file around it keeps its bytes.
#include "links/gate.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "links/link_file_fixture.h"
#include "support/fault_files.h"

namespace kvlink::testing {
namespace {

class GateTest : public LinkFileTest {
 protected:
  links::GateRecord RecordFor(const links::Links& links) {
    return {.passed = true,
            .summary = "recovered 0.98 of 1",
            .figures = R"({"n":120,"recovered":0.98})",
            .model = FakeFingerprint(),
            .links = links.content,
            .data = Sha256().Field("questions").Finish()};
  }
  void Record(const links::GateRecord& record) {
    const auto gate = links::SignedGate(record);
    ASSERT_TRUE(gate.ok()) << gate.status().message();
    ASSERT_EQ(Message(links::RecordGate(Files(), path_, *gate)), "");
  }
};

TEST_F(GateTest, IsBelievedForTheseLinksOnly) {
  const auto saved = SaveAndLoad(SmallLinks());
  ASSERT_NE(saved, nullptr);
  EXPECT_FALSE(saved->gate.measured);
  Record(RecordFor(*saved));
  const auto loaded = Load();
  ASSERT_NE(loaded, nullptr);
  EXPECT_TRUE(loaded->gate.measured);
  EXPECT_TRUE(loaded->gate.passed);
  EXPECT_EQ(loaded->gate.summary, "recovered 0.98 of 1");
  EXPECT_TRUE(loaded->warnings.empty());
  EXPECT_EQ(loaded->content, saved->content);
  EXPECT_EQ(loaded->embeddings, saved->embeddings);

  links::GateRecord other = RecordFor(*saved);
  other.links[0] ^= 1;
  Record(other);
  const auto foreign = Load();
  ASSERT_NE(foreign, nullptr);
  EXPECT_FALSE(foreign->gate.measured);
  EXPECT_TRUE(foreign->warnings.empty());  // one concern is said once
  EXPECT_NE(links::WhyNotGated(foreign.get()).find("other links"), std::string::npos);
}

TEST_F(GateTest, AnEditedOrUnsignedRecordIsNotBelieved) {
  const auto saved = SaveAndLoad(SmallLinks());
  ASSERT_NE(saved, nullptr);
  const auto gate = links::SignedGate(RecordFor(*saved));
  ASSERT_TRUE(gate.ok());
  const auto why = [&](const char* field, const nlohmann::json& value) {
    nlohmann::json edited = nlohmann::json::parse(*gate);
    if (value.is_null()) {
      edited.erase(field);
    } else {
      edited[field] = value;
    }
    return Message(links::VerifyGate(edited.dump(), FakeFingerprint(), saved->content));
  };
  EXPECT_EQ(Message(links::VerifyGate(*gate, FakeFingerprint(), saved->content)), "");
  EXPECT_NE(why("summary", "recovered 1.00 of 1").find("changed"), std::string::npos);
  EXPECT_NE(why("passed", false).find("changed"), std::string::npos);
  EXPECT_NE(why("figures", nlohmann::json{{"n", 121}}).find("changed"), std::string::npos);
  EXPECT_NE(why("data", std::string(64, '0')).find("changed"), std::string::npos);
  EXPECT_NE(why("model", std::string(64, '0')).find("another base model"), std::string::npos);
  EXPECT_NE(why("signature", nullptr).find("not signed"), std::string::npos);
  EXPECT_NE(why("passed", "yes").find("not signed"), std::string::npos);
}

TEST_F(GateTest, RecordingTwiceReplaces) {
  const auto saved = SaveAndLoad(SmallLinks());
  ASSERT_NE(saved, nullptr);
  Record(RecordFor(*saved));
  const auto once = ReadWholeFile(Files(), path_, 1 << 20);
  links::GateRecord second = RecordFor(*saved);
  second.passed = false;
  Record(second);
  EXPECT_FALSE(Load()->gate.passed);
  Record(RecordFor(*saved));
  const auto again = ReadWholeFile(Files(), path_, 1 << 20);
  EXPECT_EQ(*once, *again);
}

TEST_F(GateTest, SaysWhyLinksAreNotKnownToBeGood) {
  EXPECT_NE(links::WhyNotGated(nullptr).find("no link file"), std::string::npos);
  const auto saved = SaveAndLoad(SmallLinks());
  ASSERT_NE(saved, nullptr);
  ExpectHasAll(links::WhyNotGated(saved.get()), {"not gated", path_, "kvlink check --quality"});
  links::GateRecord record = RecordFor(*saved);
  Record(record);
  EXPECT_EQ(links::WhyNotGated(Load().get()), "");
  record.passed = false;
  Record(record);
  ExpectHasAll(links::WhyNotGated(Load().get()), {path_, "fell short", record.summary});
  record.model[0] ^= 1;
  Record(record);
  ExpectHasAll(links::WhyNotGated(Load().get()), {"not gated", path_, "another base model"});
}

// A file whose header is written to once it was looked at.
class ChangingFile : public FaultFiles {
  class Mapping : public MappedFile {
   public:
    explicit Mapping(std::shared_ptr<const MappedFile> file)
        : file_(std::move(file)), changed_(file_->bytes().begin(), file_->bytes().end()) {
      std::fill_n(changed_.begin(), sizeof(uint64_t), std::byte{0x7f});
    }
    std::span<const std::byte> bytes() const override {
      return std::exchange(looked_at_, true) ? std::span<const std::byte>(changed_)
                                             : file_->bytes();
    }
    Status CheckUnchanged() const override { return DataLoss("written to"); }

   private:
    std::shared_ptr<const MappedFile> file_;
    std::vector<std::byte> changed_;
    mutable bool looked_at_ = false;
  };

 public:
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override {
    KVLINK_ASSIGN_OR_RETURN(auto file, FaultFiles::Map(path));
    return std::shared_ptr<const MappedFile>(std::make_shared<Mapping>(std::move(file)));
  }
};

TEST_F(GateTest, AFileThatChangesMeanwhileIsLeftAlone) {
  const auto saved = SaveAndLoad(SmallLinks());
  ASSERT_NE(saved, nullptr);
  const auto gate = links::SignedGate(RecordFor(*saved));
  ASSERT_TRUE(gate.ok());
  ChangingFile files;
  EXPECT_EQ(links::RecordGate(files, path_, *gate).code(), StatusCode::kDataLoss);
  const auto loaded = Load();
  ASSERT_NE(loaded, nullptr);
  EXPECT_FALSE(loaded->gate.measured);
}

TEST_F(GateTest, RefusesWhatIsNoLinkFileOrNoGate) {
  ASSERT_NE(SaveAndLoad(SmallLinks()), nullptr);
  EXPECT_FALSE(links::RecordGate(Files(), path_, "no").ok());
  EXPECT_FALSE(links::RecordGate(Files(), path_ + ".missing",
                                 R"({"measured":true,"passed":true,"summary":"fine"})")
                   .ok());
  links::GateRecord record;
  record.figures = "[1]";
  EXPECT_EQ(links::SignedGate(record).code(), StatusCode::kInvalidArgument);
  EXPECT_NE(Load(), nullptr);
}

}  // namespace
}  // namespace kvlink::testing
