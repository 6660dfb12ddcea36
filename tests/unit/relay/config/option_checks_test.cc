#include <gtest/gtest.h>

#include "relay/config/option_rows.h"

namespace postrider::config {
namespace {

TEST(OptionChecks, Paths) {
  EXPECT_TRUE(check_path(""));
  EXPECT_TRUE(check_path("/etc/x"));
  EXPECT_FALSE(check_path("etc/x"));
  EXPECT_FALSE(check_path("/" + std::string(4095, 'x')));
  EXPECT_FALSE(check_needed_path(""));
  EXPECT_TRUE(check_needed_path("/x"));
}

TEST(OptionChecks, HostNames) {
  EXPECT_TRUE(check_host_name(""));
  EXPECT_TRUE(check_host_name("relay.example.com"));
  EXPECT_FALSE(check_host_name("relay example"));
  EXPECT_FALSE(check_host_name("a..b"));
}

TEST(OptionChecks, SystemUsers) {
  EXPECT_TRUE(check_unix_user(""));
  EXPECT_TRUE(check_unix_user("postrider"));
  EXPECT_TRUE(check_unix_user("_smtp-1.x"));
  EXPECT_FALSE(check_unix_user("-x"));
  EXPECT_FALSE(check_unix_user("a b"));
  EXPECT_FALSE(check_unix_user(std::string(33, 'x')));
}

TEST(OptionChecks, NamesToLogInWith) {
  EXPECT_TRUE(check_name("app@example.com"));
  EXPECT_TRUE(check_name(std::string(255, 'x')));
  EXPECT_FALSE(check_name(""));
  EXPECT_FALSE(check_name(std::string(256, 'x')));
  EXPECT_FALSE(check_name("a\tb"));
}

TEST(OptionChecks, FieldsForTheJournal) {
  EXPECT_TRUE(check_metadata_header("X-Meta-*"));
  EXPECT_TRUE(check_metadata_header("x-job"));
  EXPECT_FALSE(check_metadata_header(""));
  EXPECT_FALSE(check_metadata_header("*"));
  EXPECT_FALSE(check_metadata_header("X-*"));
  EXPECT_FALSE(check_metadata_header("X-*-A"));
  EXPECT_FALSE(check_metadata_header("Subject"));
  EXPECT_FALSE(check_metadata_header("X-a b"));
}

TEST(OptionChecks, WhatSignaturesName) {
  EXPECT_TRUE(check_signed_field("X-Mailer"));
  EXPECT_FALSE(check_signed_field(""));
  EXPECT_FALSE(check_signed_field("a b"));
  EXPECT_FALSE(check_signed_field("a;b"));
  EXPECT_FALSE(check_signed_field("received"));
  EXPECT_TRUE(check_selector("r1"));
  EXPECT_TRUE(check_selector("2026._mail-1"));
  EXPECT_FALSE(check_selector(""));
  EXPECT_FALSE(check_selector("a..b"));
  EXPECT_FALSE(check_selector(".a"));
  EXPECT_FALSE(check_selector("a;d=x"));
  EXPECT_FALSE(check_selector(std::string(64, 'x')));
  EXPECT_TRUE(check_signing_domain("example.com"));
  EXPECT_FALSE(check_signing_domain(""));
}

TEST(OptionChecks, NamesOfPassedSockets) {
  EXPECT_TRUE(check_socket_name(""));
  EXPECT_TRUE(check_socket_name("postrider.socket"));
  EXPECT_TRUE(check_socket_name(std::string(255, 'x')));
  EXPECT_FALSE(check_socket_name(std::string(256, 'x')));
  EXPECT_FALSE(check_socket_name("a:b"));
  EXPECT_FALSE(check_socket_name("a\nb"));
}

TEST(OptionChecks, NamesOfCertificates) {
  EXPECT_TRUE(check_certificate_name("sha256:" + std::string(64, 'a')));
  EXPECT_TRUE(check_certificate_name("dns:app1.example.com"));
  EXPECT_TRUE(check_certificate_name("email:App@example.com"));
  EXPECT_FALSE(check_certificate_name("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(check_certificate_name("sha256:" + std::string(63, 'a')));
  EXPECT_FALSE(check_certificate_name("dns:App1.example.com"));
  EXPECT_FALSE(check_certificate_name("dns:"));
  EXPECT_FALSE(check_certificate_name("email:postmaster"));
  EXPECT_FALSE(check_certificate_name("app1.example.com"));
  EXPECT_FALSE(check_certificate_name(""));
}

TEST(OptionChecks, Mailboxes) {
  EXPECT_TRUE(check_mailbox(""));
  EXPECT_TRUE(check_mailbox("postmaster@example.com"));
  EXPECT_FALSE(check_mailbox("postmaster"));
  EXPECT_FALSE(check_mailbox("a@b@c"));
}

TEST(OptionChecks, AddressFamilies) {
  EXPECT_TRUE(check_ipv4("192.0.2.1"));
  EXPECT_FALSE(check_ipv4("2001:db8::1"));
  EXPECT_TRUE(check_ipv6("2001:db8::1"));
  EXPECT_FALSE(check_ipv6("192.0.2.1"));
}

TEST(OptionChecks, Tokens) {
  EXPECT_TRUE(check_token(""));
  EXPECT_TRUE(check_token("0123456789abcdef"));
  EXPECT_FALSE(check_token("0123456789abcde"));
  EXPECT_FALSE(check_token("0123456789 abcdef"));
  EXPECT_FALSE(check_token("0123456789\r\nabcdef"));
  EXPECT_FALSE(check_token(std::string(513, 'x')));
}

TEST(OptionChecks, PasswordHashes) {
  EXPECT_TRUE(check_password_hash(""));
  EXPECT_FALSE(check_password_hash("secret"));
}

}  // namespace
}  // namespace postrider::config
