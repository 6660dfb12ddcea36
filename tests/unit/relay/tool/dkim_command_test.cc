#include "relay/tool/dkim_command.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/signing/example_keys.h"
#include "tests/unit/relay/tool/tool_run.h"

namespace postrider::tool {
namespace {

using signing::kExampleEd25519Key;
using signing::kExampleEd25519Record;
using signing::kExampleRsaKey;
using testing::HasSubstr;

class DkimCommandTest : public testing::Test {
 protected:
  std::string key(const std::string& selector, const std::string& pem,
                  const std::string& more = "") {
    return "[[dkim]]\ndomain = \"example.com\"\nselector = \"" + selector + "\"\nkey = \"" +
           folder_.write(selector + ".pem", pem) + "\"\n" + more;
  }

  Said run(const std::string& command, const std::string& more) {
    return run_tool({command, "--config", folder_.write_config(more)});
  }

  Folder folder_;
};

TEST_F(DkimCommandTest, PrintsWhatBelongsIntoTheDns) {
  const Said said = run(
      "dkim", key("ed", kExampleEd25519Key) + key("ed", kExampleEd25519Key, "tenant = \"shop\"\n"));
  EXPECT_EQ(said.code, kDone) << said.err;
  EXPECT_EQ(said.out, "ed._domainkey.example.com. IN TXT ( \"" +
                          std::string(kExampleEd25519Record) + "\" )\n");
}

TEST_F(DkimCommandTest, ALongRecordIsSeveralStrings) {
  EXPECT_EQ(txt_record("n", std::string(300, 'x')),
            "n. IN TXT ( \"" + std::string(255, 'x') + "\" \"" + std::string(45, 'x') + "\" )\n");
}

TEST_F(DkimCommandTest, SaysWhatItCannotPrint) {
  EXPECT_EQ(run("dkim", "").code, kFailed);
  const Said said = run("dkim", key("bad", "damaged") + key("ed", kExampleEd25519Key));
  EXPECT_EQ(said.code, kFailed);
  EXPECT_THAT(said.err, HasSubstr("bad.pem: it holds no PEM private key"));
  EXPECT_THAT(said.out, HasSubstr("ed._domainkey"));
  EXPECT_EQ(run("dkim", "[[dkim]]\n").code, kBadConfig);
}

TEST_F(DkimCommandTest, CheckLooksAtTheKeys) {
  const Said good = run("check", key("rsa", kExampleRsaKey));
  EXPECT_EQ(good.code, kDone) << good.err;
  EXPECT_THAT(good.out, HasSubstr("  dkim       1 key;"));
  EXPECT_THAT(good.err, HasSubstr("rsa.pem has 1024 bits; make one of 2048"));
  EXPECT_THAT(good.err, HasSubstr("rsa.pem: every user of this machine can read it"));
  const Said bad = run("check", key("bad", "damaged"));
  EXPECT_EQ(bad.code, kBadConfig);
  EXPECT_THAT(bad.err, HasSubstr("relay.toml:"));
  EXPECT_THAT(bad.err, HasSubstr(": dkim.key: cannot use DKIM key file"));
}

}  // namespace
}  // namespace postrider::tool
