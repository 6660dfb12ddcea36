#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/config/config.h"
#include "relay/message/address.h"

namespace postrider::config {
namespace {

// What the machine is called is not ours to say; either answer has a form.
TEST(SystemHostName, IsAFullNameOrAnExplanation) {
  const auto name = system_host_name();
  if (name) {
    EXPECT_NE(name->find('.'), std::string::npos);
    EXPECT_EQ(*message::normalize_domain(*name), *name);
  } else {
    EXPECT_THAT(name.error().text(), testing::HasSubstr("has no domain"));
  }
}

}  // namespace
}  // namespace postrider::config
