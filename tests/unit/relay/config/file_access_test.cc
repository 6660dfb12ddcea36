#include "relay/config/file_access.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postrider::config {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

namespace fs = std::filesystem;

// A set of good files, as the relay would find them; a case then breaks one.
class FileAccess : public testing::Test {
 protected:
  FileAccess() {
    std::string name = "/tmp/file_access_XXXXXX";
    directory_ = ::mkdtemp(name.data());
    ::chmod(directory_.c_str(), 0755);
    for (const char* folder : {"data", "log"}) {
      fs::create_directory(directory_ / folder);
      ::chmod((directory_ / folder).c_str(), 0777);
    }
    for (const char* file : {"cert.pem", "key.pem", "ca.pem"}) write(file, 0644);
    config_.tls = {path("cert.pem"), path("key.pem")};
    config_.delivery.ca_file = path("ca.pem");
    config_.server.data_dir = path("data");
    config_.store.directory = path("data/queue");
    config_.journal.file = path("log/journal");
    if (is_root()) config_.server.user = "nobody";
  }

  ~FileAccess() override { fs::remove_all(directory_); }

  static bool is_root() { return ::geteuid() == 0; }

  [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

  // Owned by whoever runs the test, which under root is not the user to become.
  void write(const std::string& name, mode_t mode) const {
    std::ofstream(path(name)) << "x";
    ::chmod(path(name).c_str(), mode);
  }

  // What the user to become may not do; under root that user is nobody.
  [[nodiscard]] std::string user() const {
    return is_root() ? "nobody" : ::getpwuid(::geteuid())->pw_name;
  }

  fs::path directory_;
  Config config_;
};

TEST_F(FileAccess, GoodFilesAreNoProblem) {
  EXPECT_THAT(check_file_access(config_), IsEmpty());
}

TEST_F(FileAccess, AJournalInADataDirectoryYetToBeMade) {
  ::chmod(directory_.c_str(), 0777);
  config_.server.data_dir = path("new");
  config_.store.directory = path("new/queue");
  config_.journal.file = path("new/journal");
  EXPECT_THAT(check_file_access(config_), IsEmpty());
}

TEST_F(FileAccess, NamesFileUserAndCause) {
  ::chmod(path("key.pem").c_str(), 0);
  EXPECT_THAT(check_file_access(config_),
              ElementsAre(Problem{"tls.key", "user '" + user() + "' cannot read " +
                                                 path("key.pem") + ": Permission denied"}));
}

TEST_F(FileAccess, AMissingCertificateIsFound) {
  fs::remove(path("cert.pem"));
  EXPECT_THAT(check_file_access(config_),
              ElementsAre(Problem{"tls.certificate", "user '" + user() + "' cannot read " +
                                                         path("cert.pem") +
                                                         ": No such file or directory"}));
}

TEST_F(FileAccess, ADirectoryIsNoCertificate) {
  config_.delivery.ca_file = path("log");
  EXPECT_THAT(check_file_access(config_),
              ElementsAre(Problem{"delivery.ca_file", "user '" + user() + "' cannot read " +
                                                          path("log") + ": Is a directory"}));
}

TEST_F(FileAccess, AFileOfSeveralListenersIsToldOnce) {
  config_.submission.listeners.resize(2);
  for (auto& listener : config_.submission.listeners) {
    listener.certificate = path("cert.pem");
    listener.key = path("none.pem");
  }
  EXPECT_THAT(check_file_access(config_), ElementsAre(Field(&Problem::where, "listener.key")));
}

TEST_F(FileAccess, TheDataDirectoryMustBeWritable) {
  ::chmod(path("data").c_str(), 0555);
  EXPECT_THAT(check_file_access(config_),
              ElementsAre(Problem{"server.data_dir", "user '" + user() + "' cannot write to " +
                                                         path("data") + ": Permission denied"}));
}

TEST_F(FileAccess, AQueueOfAnotherUserIsFound) {
  fs::create_directory(path("data/queue"));
  ::chmod(path("data/queue").c_str(), 0555);
  EXPECT_THAT(check_file_access(config_), ElementsAre(Field(&Problem::where, "server.data_dir")));
}

TEST_F(FileAccess, AMissingDataDirectoryIsMadeWhereThatIsPossible) {
  config_.server.data_dir = path("log/a/b");
  EXPECT_THAT(check_file_access(config_), IsEmpty());
  EXPECT_FALSE(fs::exists(path("log/a"))) << "looking must not create anything";
}

TEST_F(FileAccess, AMissingDataDirectoryIsAProblemWhereNobodyCanMakeIt) {
  if (is_root()) GTEST_SKIP() << "root makes it";
  ::chmod(path("log").c_str(), 0555);
  config_.journal.file.clear();
  config_.server.data_dir = path("log/a/b");
  EXPECT_THAT(check_file_access(config_),
              ElementsAre(Field(&Problem::what, HasSubstr("cannot make it: Permission denied"))));
}

TEST_F(FileAccess, TheDirectoryOfTheJournalMustBeThere) {
  fs::remove(path("log"));
  EXPECT_THAT(check_file_access(config_),
              ElementsAre(Problem{"journal.file", path("log") +
                                                      " does not exist; make it with "
                                                      "'install -d -o " +
                                                      user() + " -m 750 " + path("log") + "'"}));
}

TEST_F(FileAccess, AJournalThatIsThereMustBeWritable) {
  write("log/journal", 0444);
  EXPECT_THAT(
      check_file_access(config_),
      ElementsAre(Problem{"journal.file", "user '" + user() + "' cannot write to " +
                                              path("log/journal") + ": Permission denied"}));
}

class FileAccessAsRoot : public FileAccess {
 protected:
  void SetUp() override {
    if (!is_root()) GTEST_SKIP() << "needs root";
  }
};

TEST_F(FileAccessAsRoot, AUserIsNeeded) {
  config_.server.user.clear();
  EXPECT_THAT(check_file_access(config_), ElementsAre(Field(&Problem::where, "server.user")));
}

TEST_F(FileAccessAsRoot, TheUserMustExistAndNotBeRoot) {
  config_.server.user = "nobody-of-this-name";
  EXPECT_THAT(
      check_file_access(config_),
      ElementsAre(Problem{"server.user", "there is no user 'nobody-of-this-name' on this system"}));
  config_.server.user = "root";
  EXPECT_THAT(check_file_access(config_),
              ElementsAre(Problem{"server.user", "'root' is root; name a user without rights"}));
}

TEST_F(FileAccessAsRoot, ParentDirectoriesCount) {
  ::chmod(directory_.c_str(), 0700);
  EXPECT_EQ(check_file_access(config_).size(), 7U);
}

TEST_F(FileAccessAsRoot, WeAreStillRootAfterwards) {
  EXPECT_THAT(check_file_access(config_), IsEmpty());
  EXPECT_EQ(::geteuid(), 0U);
}

}  // namespace
}  // namespace postrider::config
