#include "relay/delivery/meters.h"

#include <gtest/gtest.h>

namespace postrider::delivery {
namespace {

using message::Stage;
using metrics::Metric;

TEST(Meters, CountInTheRegistry) {
  metrics::Registry registry;
  const Meters meters(registry);
  meters.attempted.add(3);
  meters.tls_resumed.add();
  meters.sites.add(1);
  EXPECT_EQ(registry.counter(Metric::kDeliveriesAttempted).value(), 3U);
  EXPECT_EQ(registry.counter(Metric::kTlsHandshakesOut, "resumed").value(), 1U);
  EXPECT_EQ(registry.gauge(Metric::kSitesActive).value(), 1);
}

TEST(Meters, HaveACounterOfItsOwnForEachStage) {
  metrics::Registry registry;
  const Meters meters(registry);
  for (const Stage stage : {Stage::kRoute, Stage::kConnect, Stage::kRecipient, Stage::kEndOfData}) {
    meters.deferred.at(stage).add();
    meters.bounced.at(stage).add(2);
    meters.connections_failed.at(stage).add(3);
    const std::string_view name = message::name_of(stage);
    EXPECT_EQ(registry.counter(Metric::kRecipientsDeferred, name).value(), 1U) << name;
    EXPECT_EQ(registry.counter(Metric::kRecipientsBounced, name).value(), 2U) << name;
    EXPECT_EQ(registry.counter(Metric::kConnectionsOut, name).value(), 3U) << name;
  }
}

TEST(Meters, CountReportsByTheirAction) {
  metrics::Registry registry;
  const Meters meters(registry);
  meters.report(message::DsnAction::kFailed).add(1);
  meters.report(message::DsnAction::kDelayed).add(2);
  meters.report(message::DsnAction::kDelivered).add(3);
  meters.report(message::DsnAction::kRelayed).add(4);
  EXPECT_EQ(registry.counter(Metric::kReportsSent, "failed").value(), 1U);
  EXPECT_EQ(registry.counter(Metric::kReportsSent, "delayed").value(), 2U);
  EXPECT_EQ(registry.counter(Metric::kReportsSent, "delivered").value(), 3U);
  EXPECT_EQ(registry.counter(Metric::kReportsSent, "relayed").value(), 4U);
}

}  // namespace
}  // namespace postrider::delivery
