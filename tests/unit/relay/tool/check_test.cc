#include "relay/tool/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/tls/context.h"
#include "tests/unit/relay/tool/tool_run.h"

namespace postrider::tool {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class CheckTest : public testing::Test {
 protected:
  // A certificate and key, as files.
  std::string tls_section(const std::string& key_name = "key.pem", unsigned days = 30) {
    const auto identity = *tls::generate_identity({"relay.example.com"}, days);
    const auto other = *tls::generate_identity({"relay.example.com"}, 2);
    folder_.write("cert.pem", identity.certificate_pem);
    folder_.write("key.pem", identity.key_pem);
    folder_.write("other.pem", other.key_pem);
    return "[tls]\ncertificate = \"" + folder_.path("cert.pem") + "\"\nkey = \"" +
           folder_.path(key_name) + "\"\n";
  }

  Said check(const std::string& more, const std::vector<std::string>& flags = {}) {
    std::vector<std::string> arguments = {"check", "--config", folder_.write_config(more)};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return run_tool(arguments);
  }

  Folder folder_;
};

TEST_F(CheckTest, AGoodConfiguration) {
  const Said said = check(tls_section() + "[dns]\nservers = [\"127.0.0.1:53\"]\n");
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.err, "");
  EXPECT_THAT(said.out, StartsWith(folder_.path("relay.toml") + ": configuration is good\n"));
  EXPECT_THAT(said.out, HasSubstr("  host name  relay.example.com\n"));
  EXPECT_THAT(said.out, HasSubstr("  listeners  127.0.0.1:2525 trusted\n"));
  EXPECT_THAT(said.out, HasSubstr("  outbound   port 25, TLS may\n"));
  EXPECT_THAT(said.out, HasSubstr("  retry      after 5m, at most every 4h, for 5d\n"));
}

TEST_F(CheckTest, ProblemsHaveLineKeyAndExitCode) {
  const Said said = check("[delivery]\nprt = 25\n");
  EXPECT_EQ(said.code, kBadConfig);
  EXPECT_EQ(said.out, "");
  EXPECT_THAT(said.err, HasSubstr("/relay.toml:"));
  EXPECT_THAT(said.err, HasSubstr(": delivery.prt: unknown key; did you mean 'port'?\n"));
  EXPECT_THAT(said.err, HasSubstr("postrider: 1 problem in "));
}

TEST_F(CheckTest, ACertificateThatCannotBeRead) {
  const std::string section = tls_section();
  std::filesystem::remove(folder_.path("cert.pem"));
  const Said said = check(section);
  EXPECT_EQ(said.code, kBadConfig);
  EXPECT_THAT(said.err, HasSubstr(": tls.certificate: user '"));
  EXPECT_THAT(said.err, HasSubstr("No such file or directory"));
}

TEST_F(CheckTest, AKeyOfAnotherCertificate) {
  const Said said = check(tls_section("other.pem"));
  EXPECT_EQ(said.code, kBadConfig);
  EXPECT_THAT(said.err, HasSubstr(": tls.certificate: "));
}

TEST_F(CheckTest, APasswordFileIsReadAsTheRelayReadsIt) {
  const std::string file = folder_.write("password", "");
  const auto refusal = [&] {
    const Said said = check(tls_section() +
                            "[[route]]\ndomain = \"a.example\"\nhost = \"mx.example\"\n"
                            "user = \"u\"\npassword_file = \"" +
                            file + "\"\n");
    return said.code == kBadConfig ? said.err : "";
  };
  EXPECT_THAT(refusal(), AllOf(HasSubstr(": route.password_file: the password file "),
                               HasSubstr("begins with an empty line")));
  folder_.write("password", std::string(5000, 'p') + "\n");
  EXPECT_THAT(refusal(), HasSubstr("is too long"));
  folder_.write("password", "secret\n");
  EXPECT_EQ(refusal(), "");
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0644), 0);
  EXPECT_THAT(refusal(), HasSubstr("it is a device or a pipe"));
  std::filesystem::remove(file);
  std::filesystem::create_symlink("/dev/zero", file);
  EXPECT_THAT(refusal(), HasSubstr("it is a device or a pipe"));
}

TEST_F(CheckTest, WarnsOfACertificateThatEndsSoon) {
  const std::string section = tls_section("key.pem", 9);
  const Said said =
      check(section + "[[listener]]\naddress = \"127.0.0.1:0\"\nmode = \"trusted\"\n" +
            "certificate = \"" + folder_.path("cert.pem") + "\"\nkey = \"" +
            folder_.path("key.pem") + "\"\n");
  EXPECT_EQ(said.code, kDone);
  const std::string words = "the certificate in " + folder_.path("cert.pem") + " ends in 8 days";
  EXPECT_THAT(said.err, HasSubstr("warning: tls.certificate: " + words));
  EXPECT_THAT(said.err, HasSubstr("warning: listener.certificate: " + words));
}

TEST_F(CheckTest, WarnsOfWhatIsRarelyMeant) {
  const Said said = check(
      "[dns]\nservers = [\"192.0.2.1:53\", \"127.0.0.1:53\"]\n"
      "[delivery]\nallow_special_addresses = true\n"
      "[admin]\naddress = \"0.0.0.0:0\"\ntoken = \"0123456789abcdef\"\n");
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.err, HasSubstr("warning: dns.servers: 192.0.2.1:53 is not on this machine"));
  EXPECT_THAT(said.err, Not(HasSubstr("127.0.0.1:53 is not")));
  EXPECT_THAT(said.err, HasSubstr("warning: delivery.allow_special_addresses: "));
  EXPECT_THAT(said.err, HasSubstr("warning: admin.address: "));
  EXPECT_THAT(said.err, HasSubstr("every user of this machine can read it"));
}

TEST_F(CheckTest, WarnsOfALoginWithoutUsers) {
  const Said said = check(tls_section() + "[[listener]]\naddress = \"127.0.0.1:2587\"\n");
  EXPECT_EQ(said.code, kDone) << said.err;
  EXPECT_THAT(said.err, HasSubstr("warning: user: there is none"));
}

TEST_F(CheckTest, DumpsEveryOption) {
  const Said said = check("[dns]\nipv6 = false\n", {"--dump"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.out, HasSubstr("ipv6 = false  # line "));
  EXPECT_THAT(said.out, HasSubstr("port = 25  # default\n"));
}

TEST_F(CheckTest, ServeRefusesWhatCheckRefuses) {
  bool served = false;
  const auto serve = [&](const config::Config& config) {
    served = true;
    EXPECT_EQ(config.server.host_name, "relay.example.com");
    return 7;
  };
  const std::string bad = folder_.write_config("[delivery]\nprt = 25\n");
  EXPECT_EQ(run_tool({"serve", "--config", bad}, serve).code, kBadConfig);
  EXPECT_FALSE(served);
  const std::string good = folder_.write_config();
  EXPECT_EQ(run_tool({"serve", "--config", good}, serve).code, 7);
  EXPECT_TRUE(served);
}

TEST_F(CheckTest, AMissingFileIsABadConfiguration) {
  const Said said = run_tool({"check", "--config", folder_.path("none.toml")});
  EXPECT_EQ(said.code, kBadConfig);
  EXPECT_THAT(said.err, HasSubstr("none.toml: cannot open the file: No such file or directory"));
}

}  // namespace
}  // namespace postrider::tool
