// Metrics: cheap handles on named counters, gauges and histograms, and their text exposition.
//
// Every metric is a row of the catalog (catalog.h): name, type, help, label. A handle is fetched
// once and kept; using it costs one atomic addition. Label values come from bounded sets: of any
// metric the first kLabelValuesMax values get a series of their own, what comes later shares the
// series "other". Thread: any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "metrics/catalog.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace postrider::metrics {

class Counter {
 public:
  Counter() = default;
  void add(std::uint64_t count = 1) const;
  // For tests and the status page.
  [[nodiscard]] std::uint64_t value() const;

 private:
  friend class Registry;
  prometheus::Counter* counter_ = nullptr;  // owned by the registry; null: counts nothing
};

class Gauge {
 public:
  Gauge() = default;
  void set(double value) const;
  void add(double difference) const;
  [[nodiscard]] double value() const;

 private:
  friend class Registry;
  prometheus::Gauge* gauge_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  // In the unit of the metric's name: seconds or octets.
  void observe(double value) const;

 private:
  friend class Registry;
  prometheus::Histogram* histogram_ = nullptr;
};

class Registry {
 public:
  static constexpr std::size_t kLabelValuesMax = 64;

  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The series of `metric` with this value of its label ("" where the catalog gives it none; else
  // "" counts as "unknown"). Asking for a type or a label the catalog does not say is a bug of
  // ours.
  Counter counter(Metric metric, std::string_view label = {});
  Gauge gauge(Metric metric, std::string_view label = {});
  Histogram histogram(Metric metric, std::string_view label = {});

  // `collect` runs before each exposition, to set gauges that are cheaper to ask for than to keep.
  // It must stay callable until the registry is destroyed or clear_collectors() has returned, and
  // does not call add_collector, clear_collectors or expose itself.
  void add_collector(std::function<void()> collect);
  void clear_collectors();

  // Text exposition format 0.0.4.
  std::string expose();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::metrics
