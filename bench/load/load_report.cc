// The result of a load as text; declared in load_run.h.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "bench/json_text.h"
#include "bench/load/load_run.h"
#include "relay/base/ascii.h"

namespace postrider::bench {

namespace {

std::string fixed(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

std::string row(std::string_view name, const std::string& value) {
  static constexpr std::size_t kNameWidth = 24;
  std::string line(name);
  line.resize(std::max(kNameWidth, name.size() + 2), ' ');
  return line + value + "\n";
}

std::string milliseconds(std::uint64_t microseconds) {
  return fixed(static_cast<double>(microseconds) / 1000.0, 3);
}

std::string latency_row(std::string_view name, const LatencyHistogram& histogram) {
  return row(name, "p50 " + milliseconds(histogram.quantile(0.5)) + "  p99 " +
                       milliseconds(histogram.quantile(0.99)) + "  p99.9 " +
                       milliseconds(histogram.quantile(0.999)) + "  max " +
                       milliseconds(histogram.max()) + " ms");
}

// Enough of them to draw the distribution.
constexpr std::array<std::string_view, 19> kQuantiles = {
    "0.001", "0.01", "0.02", "0.05", "0.1",  "0.2",  "0.3",   "0.4",   "0.5",   "0.6",
    "0.7",   "0.8",  "0.9",  "0.95", "0.98", "0.99", "0.995", "0.999", "0.9999"};

std::string quantiles_json(const LatencyHistogram& histogram) {
  JsonObject object;
  for (const std::string_view share : kQuantiles) {
    object.number(share, histogram.quantile(std::strtod(share.data(), nullptr)));
  }
  return object.str();
}

std::string latency_json(const LatencyHistogram& histogram) {
  JsonObject object;
  object.number("p50", histogram.quantile(0.5))
      .number("p99", histogram.quantile(0.99))
      .number("p999", histogram.quantile(0.999))
      .number("max", histogram.max())
      .real("mean", histogram.mean())
      .raw("quantiles", quantiles_json(histogram));
  return object.str();
}

double cpu_per_thousand(const LoadResult& result) {
  if (result.tally.accepted == 0) return 0;
  return (result.cpu_user + result.cpu_system) * 1000 / static_cast<double>(result.tally.accepted);
}

}  // namespace

std::string load_table(const LoadOptions& options, const LoadResult& result) {
  const LoadTally& tally = result.tally;
  std::string table;
  table += row("to", options.to.to_string());
  table += row("sessions", std::to_string(options.sessions));
  table += row("accepted", std::to_string(tally.accepted));
  table += row("failed", std::to_string(tally.failed));
  table += row("seconds", fixed(result.seconds, 3));
  table += row("messages/s", fixed(result.per_second(), 0));
  const double megabytes = static_cast<double>(tally.bytes) / 1e6;
  table += row("MB/s", fixed(result.seconds > 0 ? megabytes / result.seconds : 0, 1));
  table += latency_row("ack latency", tally.ack);
  table += latency_row("message latency", tally.whole);
  table += row("connections", std::to_string(tally.connections) + " (" +
                                  std::to_string(tally.connection_failures) + " failed, " +
                                  std::to_string(tally.handshakes) + " TLS handshakes)");
  table += row("own CPU", fixed(result.cpu_user, 2) + " s user, " + fixed(result.cpu_system, 2) +
                              " s system, " + fixed(cpu_per_thousand(result) * 1000, 1) +
                              " ms per 1000 messages");
  if (tally.recipients_refused > 0) {
    table += row("recipients refused", std::to_string(tally.recipients_refused));
  }
  if (options.rate > 0) table += row("due, not begun", std::to_string(tally.behind));
  for (const auto& [what, count] : tally.failures) {
    table += row("  " + ascii::printable(what), std::to_string(count));
  }
  if (result.timed_out) table += "the time was up before the load had ended\n";
  return table;
}

std::string load_json(const LoadOptions& options, const LoadResult& result) {
  const LoadTally& tally = result.tally;
  JsonObject failures;
  for (const auto& [what, count] : tally.failures) failures.number(what, count);
  JsonObject object;
  object.text("to", options.to.to_string())
      .text("run", options.run)
      .number("sessions", options.sessions)
      .number("rate", options.rate)
      .number("started", tally.started)
      .number("accepted", tally.accepted)
      .number("failed", tally.failed)
      .number("recipients_refused", tally.recipients_refused)
      .number("behind", tally.behind)
      .real("seconds", result.seconds)
      .real("per_second", result.per_second())
      .number("bytes", tally.bytes)
      .number("connections", tally.connections)
      .number("connection_failures", tally.connection_failures)
      .number("handshakes", tally.handshakes)
      .raw("ack_us", latency_json(tally.ack))
      .raw("message_us", latency_json(tally.whole))
      .real("cpu_user", result.cpu_user)
      .real("cpu_system", result.cpu_system)
      .raw("failures", failures.str())
      .flag("timed_out", result.timed_out);
  return object.str();
}

}  // namespace postrider::bench
