#include "relay/signing/signer.h"

#include <future>
#include <gmock/gmock.h>

#include "tests/unit/relay/signing/example_keys.h"

namespace postrider::signing {
namespace {

using testing::StartsWith;

class SignerTest : public testing::Test {
 protected:
  SignerTest() {
    KeyOptions key;
    key.domain = "a.example";
    key.selector = "s";
    key.key_file = folder_.write("k", kExampleEd25519Key);
    options_.keys = {key};
    options_.threads = 1;
    options_.waiting_max = 2;
    signer_ = std::make_unique<Signer>(options_, *Keyring::read(options_.keys));
  }

  Signer::Job job(const std::string& header = kExampleHeader) {
    Signer::Job job;
    job.signings = signer_->keys()->find("a.example", "");
    job.header = message::HeaderSection(header);
    job.body = message::Body(kExampleBody);
    return job;
  }

  // What becomes of a job; it must have been taken.
  std::future<Outcome> begin(Signer::Job job) {
    auto promise = std::make_shared<std::promise<Outcome>>();
    job.done = [promise](Outcome outcome, const message::HeaderSection&) {
      promise->set_value(std::move(outcome));
    };
    EXPECT_TRUE(signer_->sign(job));
    return promise->get_future();
  }

  // The signer's one thread waits until `release_`.
  void hold_thread() {
    std::promise<void> entered;
    Signer::Job first = job();
    first.done = [this, &entered](const Outcome&, const message::HeaderSection&) {
      entered.set_value();
      release_.get_future().wait();
    };
    ASSERT_TRUE(signer_->sign(first));
    entered.get_future().wait();
  }

  std::promise<void> release_;
  KeyFolder folder_;
  Options options_;
  std::unique_ptr<Signer> signer_;
};

TEST_F(SignerTest, SignsOnAThreadOfItsOwn) {
  std::promise<std::thread::id> thread;
  std::string header;
  Signer::Job one = job();
  one.done = [&](const Outcome& outcome, const message::HeaderSection& back) {
    EXPECT_EQ(outcome.kind, Outcome::Kind::kSigned);
    EXPECT_THAT(outcome.fields, StartsWith("DKIM-Signature: v=1; a=ed25519-sha256;"));
    header = back.to_string();
    thread.set_value(std::this_thread::get_id());
  };
  ASSERT_TRUE(signer_->sign(one));
  EXPECT_NE(thread.get_future().get(), std::this_thread::get_id());
  EXPECT_EQ(header, kExampleHeader);
}

TEST_F(SignerTest, SaysWhyItFailed) {
  const Outcome outcome = begin(job("Subject: x\r\n\r\n")).get();
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFailed);
  EXPECT_EQ(outcome.error, "it has no From field");
}

TEST_F(SignerTest, RefusesWhatWaitsTooManyAndAnswersAllAtItsEnd) {
  hold_thread();
  auto second = begin(job());
  auto third = begin(job());
  Signer::Job fourth = job();
  bool called = false;
  fourth.done = [&](const Outcome&, const message::HeaderSection&) { called = true; };
  EXPECT_FALSE(signer_->sign(fourth));
  EXPECT_EQ(fourth.header.to_string(), kExampleHeader);  // as it was
  EXPECT_FALSE(called);
  std::thread end([&] { signer_.reset(); });
  EXPECT_EQ(second.get().kind, Outcome::Kind::kStopped);
  EXPECT_EQ(third.get().kind, Outcome::Kind::kStopped);
  release_.set_value();
  end.join();
}

TEST_F(SignerTest, APartIsHashedBeforeTheRestIsThere) {
  const std::string body = kExampleBody;
  const std::string whole = begin(job()).get().fields;
  std::promise<BodyDigests> fed;
  signer_->digest({BodyDigests(signer_->keys()->body_forms()), message::Body(body.substr(0, 10)),
                   [&](BodyDigests digests) { fed.set_value(std::move(digests)); }});
  Signer::Job rest = job();
  rest.begun = fed.get_future().get();
  ASSERT_TRUE(rest.begun.valid());
  rest.body = message::Body(body.substr(10));
  EXPECT_EQ(begin(std::move(rest)).get().fields, whole);
}

TEST_F(SignerTest, APartIsNotRefusedAndAnsweredAtTheEnd) {
  hold_thread();
  auto second = begin(job());
  auto third = begin(job());
  std::promise<bool> hashed;
  signer_->digest({BodyDigests({Canonical::kRelaxed}), message::Body(kExampleBody),
                   [&](const BodyDigests& digests) { hashed.set_value(digests.valid()); }});
  std::thread end([&] { signer_.reset(); });
  EXPECT_FALSE(hashed.get_future().get());
  release_.set_value();
  end.join();
}

TEST_F(SignerTest, NewKeysCountFromNowOn) {
  const Signer::Job before = job();
  signer_->set_keys(std::make_shared<Keyring>());
  EXPECT_TRUE(signer_->keys()->find("a.example", "").empty());
  EXPECT_EQ(before.signings.size(), 1U);
}

}  // namespace
}  // namespace postrider::signing
