#include "relay/signing/body_digests.h"

#include <gtest/gtest.h>

#include "tests/unit/relay/signing/example_keys.h"

namespace postrider::signing {
namespace {

using message::Body;

Digest sha256(std::string_view text) {
  Sha256 sha;
  sha.update(text);
  return sha.finish();
}

TEST(BodyDigests, HasTheFormsThatAreAskedFor) {
  EXPECT_FALSE(BodyDigests().valid());
  BodyDigests relaxed({Canonical::kRelaxed, Canonical::kRelaxed});
  ASSERT_TRUE(relaxed.valid());
  relaxed.feed(Body("a  b \r\n\r\n"));
  relaxed.finish();
  ASSERT_NE(relaxed.of(Canonical::kRelaxed), nullptr);
  EXPECT_EQ(*relaxed.of(Canonical::kRelaxed), sha256("a b\r\n"));
  EXPECT_EQ(relaxed.of(Canonical::kSimple), nullptr);
}

TEST(BodyDigests, AnySplitGivesTheSame) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "line \t " + std::to_string(i) + "\r \r\n\r\n";
  BodyDigests whole({Canonical::kRelaxed, Canonical::kSimple});
  whole.feed(Body(text));
  whole.finish();
  for (std::size_t at = 0; at <= text.size(); ++at) {
    BodyDigests first({Canonical::kRelaxed, Canonical::kSimple});
    first.feed(Body(text.substr(0, at)));
    BodyDigests parts = std::move(first);  // as between threads
    parts.feed(Body(text.substr(at)));
    parts.finish();
    for (const Canonical form : {Canonical::kRelaxed, Canonical::kSimple}) {
      EXPECT_EQ(*parts.of(form), *whole.of(form)) << at;
    }
  }
}

}  // namespace
}  // namespace postrider::signing
