// The door to prometheus-cpp: handles, families in the catalog's order, exposition.
#include <algorithm>
#include <cmath>
#include <map>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>
#include <sstream>
#include <utility>
#include <variant>
#include <vector>

#include "metrics/metrics.h"
#include "relay/base/ascii.h"
#include "relay/base/check.h"
#include "relay/base/guarded.h"

namespace postrider::metrics {

namespace {

// What label values beyond the limit share, and what an empty one is called.
constexpr std::string_view kOther = "other";
constexpr std::string_view kUnknown = "unknown";
constexpr std::size_t kLabelLengthMax = 128;

// From a sync of a fast disk to the lifetime of a message: one scale for every duration, so that
// histograms can be laid over each other.
const prometheus::Histogram::BucketBoundaries& seconds_buckets() {
  static const prometheus::Histogram::BucketBoundaries bounds = {
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,   0.25,   0.5,    1,
      2.5,    5,     10,     30,    60,   300,   1800, 7'200, 28'800, 86'400, 432'000};
  return bounds;
}

const prometheus::Histogram::BucketBoundaries& count_buckets() {
  static const prometheus::Histogram::BucketBoundaries bounds = {1,   2,   4,   8,    16,   32,  64,
                                                                 128, 256, 512, 1024, 2048, 4096};
  return bounds;
}

template <class T>
struct Series {
  explicit Series(const CatalogRow& row)
      : family(std::string(row.name), std::string(row.help), prometheus::Labels{}) {}

  prometheus::Family<T> family;
  std::map<std::string, T*, std::less<>> by_label;  // owned by the family
};

using AnySeries = std::variant<Series<prometheus::Counter>, Series<prometheus::Gauge>,
                               Series<prometheus::Histogram>>;

// Families are neither copied nor moved, so each is built where it stays.
std::unique_ptr<AnySeries> make_series(const CatalogRow& row) {
  switch (row.type) {
    case Type::kCounter:
      return std::make_unique<AnySeries>(std::in_place_type<Series<prometheus::Counter>>, row);
    case Type::kGauge:
      return std::make_unique<AnySeries>(std::in_place_type<Series<prometheus::Gauge>>, row);
    case Type::kHistogramSeconds:
    case Type::kHistogramCount:
      break;
  }
  return std::make_unique<AnySeries>(std::in_place_type<Series<prometheus::Histogram>>, row);
}

prometheus::Labels labels_of(const CatalogRow& row, std::string_view value) {
  if (row.label.empty()) return {};
  return {{std::string(row.label), std::string(value)}};
}

prometheus::Counter& add_to(prometheus::Family<prometheus::Counter>& family, const CatalogRow& row,
                            std::string_view value) {
  return family.Add(labels_of(row, value));
}

prometheus::Gauge& add_to(prometheus::Family<prometheus::Gauge>& family, const CatalogRow& row,
                          std::string_view value) {
  return family.Add(labels_of(row, value));
}

prometheus::Histogram& add_to(prometheus::Family<prometheus::Histogram>& family,
                              const CatalogRow& row, std::string_view value) {
  const bool seconds = row.type == Type::kHistogramSeconds;
  return family.Add(labels_of(row, value), seconds ? seconds_buckets() : count_buckets());
}

// A label value as it is exposed: never empty, printable, of bounded length.
std::string label_value(const CatalogRow& row, std::string_view value) {
  PR_CHECK(!row.label.empty() || value.empty(), row.name);
  if (row.label.empty()) return {};
  return value.empty() ? std::string(kUnknown) : ascii::printable(value, kLabelLengthMax);
}

// The series of a label value; at the limit, of "other".
template <class T>
T* find_or_add(Series<T>& series, const CatalogRow& row, std::string_view label) {
  std::string value = label_value(row, label);
  if (const auto found = series.by_label.find(value); found != series.by_label.end()) {
    return found->second;
  }
  if (series.by_label.size() >= Registry::kLabelValuesMax) {
    // Not one of by_label, so that it takes no place from a value of its own.
    return &add_to(series.family, row, kOther);
  }
  T* const added = &add_to(series.family, row, value);
  series.by_label.emplace(std::move(value), added);
  return added;
}

void sort_by_label(prometheus::MetricFamily& family) {
  const auto value = [](const prometheus::ClientMetric& metric) -> std::string_view {
    return metric.label.empty() ? std::string_view() : metric.label.front().value;
  };
  std::sort(family.metric.begin(), family.metric.end(),
            [&](const auto& a, const auto& b) { return value(a) < value(b); });
}

}  // namespace

void Counter::add(std::uint64_t count) const {
  if (counter_ != nullptr) counter_->Increment(static_cast<double>(count));
}

std::uint64_t Counter::value() const {
  return counter_ == nullptr ? 0 : static_cast<std::uint64_t>(counter_->Value());
}

void Gauge::set(double value) const {
  if (gauge_ != nullptr) gauge_->Set(value);
}

void Gauge::add(double difference) const {
  if (gauge_ != nullptr) gauge_->Increment(difference);
}

double Gauge::value() const {
  return gauge_ == nullptr ? 0 : gauge_->Value();
}

void Histogram::observe(double value) const {
  // A sum with one NaN in it stays NaN.
  if (histogram_ != nullptr && std::isfinite(value)) histogram_->Observe(value);
}

struct Registry::State {
  State() {
    auto all = by_metric.lock();
    for (const CatalogRow& row : catalog()) {
      auto series = make_series(row);
      // A series without label is there from the start, at zero: a dashboard can tell "nothing yet"
      // from "no such metric".
      if (row.label.empty()) {
        std::visit([&](auto& typed) { find_or_add(typed, row, {}); }, *series);
      }
      all->push_back(std::move(series));
    }
  }

  template <class T>
  T* series(Metric metric, std::string_view label) {
    const CatalogRow& row = row_of(metric);
    auto all = by_metric.lock();
    auto* const typed = std::get_if<Series<T>>((*all)[static_cast<std::size_t>(metric)].get());
    PR_CHECK(typed != nullptr, row.name);
    return find_or_add(*typed, row, label);
  }

  std::string serialize() {
    std::vector<prometheus::MetricFamily> families;
    {
      auto all = by_metric.lock();
      for (const auto& series : *all) {
        auto collected = std::visit([](auto& typed) { return typed.family.Collect(); }, *series);
        for (auto& family : collected) {
          if (family.metric.empty()) continue;
          sort_by_label(family);
          families.push_back(std::move(family));
        }
      }
    }
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families);
    return std::move(out).str();
  }

  Guarded<std::vector<std::unique_ptr<AnySeries>>> by_metric;  // in the catalog's order
  Guarded<std::vector<std::function<void()>>> collectors;
};

Registry::Registry() : state_(std::make_unique<State>()) {}

Registry::~Registry() = default;

Counter Registry::counter(Metric metric, std::string_view label) {
  Counter handle;
  handle.counter_ = state_->series<prometheus::Counter>(metric, label);
  return handle;
}

Gauge Registry::gauge(Metric metric, std::string_view label) {
  Gauge handle;
  handle.gauge_ = state_->series<prometheus::Gauge>(metric, label);
  return handle;
}

Histogram Registry::histogram(Metric metric, std::string_view label) {
  Histogram handle;
  handle.histogram_ = state_->series<prometheus::Histogram>(metric, label);
  return handle;
}

void Registry::add_collector(std::function<void()> collect) {
  state_->collectors.lock()->push_back(std::move(collect));
}

void Registry::clear_collectors() {
  state_->collectors.lock()->clear();
}

std::string Registry::expose() {
  {
    // Held while they run: after clear_collectors() returned, none runs any more.
    auto held = state_->collectors.lock();
    for (const auto& collect : *held) collect();
  }
  return state_->serialize();
}

}  // namespace postrider::metrics
