#include "relay/config/provider_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/config/known_providers.h"
#include "tests/unit/relay/config/load_text.h"

namespace postrider::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> problems_with(const std::string& text) {
  return problems_of(text + kRest);
}

constexpr const char* kProvider = R"([[provider]]
name = "p"
mx = [".p.example"]
samples = ["rest: 421 [A1] go away", "bounce: 550 nobody"]
)";

TEST(KnownProviders, AreGoodByThemselves) {
  // As a file of its own, in which every rule and sample is looked at.
  const std::string off = "[delivery]\nknown_providers = false\n";
  EXPECT_THAT(problems_with(off + std::string(known_providers())), IsEmpty());
  const LoadResult loaded = load(kRest);
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_GE(loaded.config.delivery.providers.size(), 10U);
  EXPECT_GE(loaded.config.delivery.replies.size(), 5U);
  for (const auto& provider : loaded.config.delivery.providers) {
    EXPECT_THAT(provider.mx, testing::Not(IsEmpty())) << provider.name;
    EXPECT_THAT(provider.samples, testing::Not(IsEmpty())) << provider.name;
  }
}

TEST(KnownProviders, CanBeLeftOut) {
  const LoadResult loaded = load(std::string("[delivery]\nknown_providers = false\n") + kRest);
  EXPECT_THAT(loaded.config.delivery.providers, IsEmpty());
  EXPECT_THAT(loaded.config.delivery.replies, IsEmpty());
}

TEST(KnownProviders, OneOfTheFileTakesThePlaceOfItsNamesake) {
  const LoadResult loaded =
      load(std::string("[[provider]]\nname = \"yahoo\"\nmx = [\".y.example\"]\n") + kRest);
  EXPECT_THAT(loaded.problems, IsEmpty());
  const auto& all = loaded.config.delivery.providers;
  EXPECT_EQ(
      std::count_if(all.begin(), all.end(), [](const auto& one) { return one.name == "yahoo"; }),
      1);
  EXPECT_EQ(all.front().mx.front(), ".y.example");
  for (const auto& reply : loaded.config.delivery.replies) EXPECT_NE(reply.provider, "yahoo");
}

TEST(KnownProviders, MayBeJudgedOtherwiseByTheFile) {
  const std::string text = R"([[reply]]
provider = "yahoo"
code = "4xx"
then = "slow"
samples = ["slow: 421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred"]
)";
  EXPECT_THAT(problems_with(text), IsEmpty());
  const LoadResult loaded = load(text + kRest);
  EXPECT_EQ(loaded.config.delivery.replies.front().rule.then, policy::Then::kSlow);
}

TEST(ProviderChecks, ARuleThatDecidesASampleIsGood) {
  EXPECT_THAT(problems_with(std::string(kProvider) + R"([[reply]]
provider = "p"
code = "421"
text = "[a1]"
then = "rest"
)"),
              IsEmpty());
}

TEST(ProviderChecks, ARuleMayBringItsOwnSamples) {
  EXPECT_THAT(problems_with(R"([[reply]]
provider = "google"
code = "550"
text = "come back"
then = "rest"
samples = ["rest at mail: 550 5.7.1 Come back later"]
)"),
              IsEmpty());
  EXPECT_THAT(
      problems_with(R"([[reply]]
provider = "google"
code = "550"
text = "come back"
then = "rest"
samples = ["slow: 550 5.7.1 Come back later"]
)"),
      ElementsAre(HasSubstr("6: reply.samples: google: '550 5.7.1 Come back later' is judged "
                            "rest, not slow")));
}

TEST(ProviderChecks, ASampleThatIsJudgedOtherwiseIsAMistake) {
  EXPECT_THAT(problems_with(kProvider),
              ElementsAre(HasSubstr(
                  "4: provider.samples: p: '421 [A1] go away' is judged next_host, not rest")));
}

TEST(ProviderChecks, ARuleThatNoSampleFitsIsAMistake) {
  EXPECT_THAT(problems_with(R"([[provider]]
name = "p"
mx = [".p.example"]
[[reply]]
provider = "p"
code = "421"
text = "\\[never\\]"
)"),
              ElementsAre(HasSubstr("4: reply: no sample of its provider fits it")));
}

TEST(ProviderChecks, ARuleBehindOneThatTakesAllOfItsIsAMistake) {
  EXPECT_THAT(problems_with(std::string(kProvider) + R"([[reply]]
provider = "p"
code = "4xx"
then = "rest"
[[reply]]
provider = "p"
code = "421"
text = "[a1]"
then = "slow"
)"),
              ElementsAre(HasSubstr("9: reply: never decides: what fits it is taken by an earlier "
                                    "[[reply]] on line 5")));
}

TEST(ProviderChecks, ARuleNeedsAProviderThatIsThere) {
  EXPECT_THAT(problems_with("[[reply]]\nprovider = \"nobody\"\ncode = \"421\"\n"),
              ElementsAre(HasSubstr("2: reply.provider: there is no provider 'nobody'")));
  EXPECT_THAT(problems_with("[[reply]]\nthen = \"slow\"\n"),
              ElementsAre("1: reply: code is missing", "1: reply: provider is missing"));
}

TEST(ProviderChecks, ASampleMustBeOne) {
  EXPECT_THAT(problems_with("[[provider]]\nname = \"p\"\nmx = [\".p.example\"]\nsamples = "
                            "[\"fast: 421 x\"]\n"),
              ElementsAre(HasSubstr("4: provider.samples: 'fast: 421 x': a sample begins with")));
}

}  // namespace
}  // namespace postrider::config
