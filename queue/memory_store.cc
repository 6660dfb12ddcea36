#include "queue/memory_store.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

namespace postrider::queue {

namespace {

using Value = std::shared_ptr<const std::string>;  // null: erased

struct Change {
  std::string key;
  Value value;
};

class MemoryBatch final : public Batch {
 public:
  void put(std::string_view key, std::string_view value) override {
    add(key, std::make_shared<const std::string>(value));
  }

  void put(std::string_view key, std::span<const std::string_view> pieces) override {
    std::string joined;
    for (const std::string_view piece : pieces) joined += piece;
    add(key, std::make_shared<const std::string>(std::move(joined)));
  }

  void erase(std::string_view key) override { add(key, nullptr); }

  [[nodiscard]] std::size_t size() const override { return size_; }

  void clear() override {
    changes_.clear();
    size_ = 0;
  }

  [[nodiscard]] const std::vector<Change>& changes() const { return changes_; }

 private:
  void add(std::string_view key, Value value) {
    size_ += key.size() + (value ? value->size() : 0);
    changes_.push_back({std::string(key), std::move(value)});
  }

  std::vector<Change> changes_;
  std::size_t size_ = 0;
};

}  // namespace

struct MemoryStore::State {
  struct Version {
    std::uint64_t sequence;
    Value value;
  };

  // A key's values, oldest first; more than one only while a cursor may need an older one.
  using Versions = std::vector<Version>;

  mutable std::mutex mutex;
  // All below are guarded by mutex.
  std::map<std::string, Versions, std::less<>> entries;
  std::set<std::string> superseded;  // keys with versions, or an erasure, to drop later
  std::vector<Change> undo;          // what the changes since the last sync replaced
  std::vector<std::size_t> writes;   // where in undo each write since the last sync begins
  bool latched = false;              // after a failed write
  bool closed = false;               // after a failed reopen
  bool stuck = false;
  bool repaired = false;
  std::set<std::string, std::less<>> damaged;
  bool met_damage = false;  // since the last repair
  std::size_t lost_on_reopen = 0;
  std::uint64_t sequence = 0;
  std::size_t cursors = 0;
  std::uint64_t calls = 0;
  std::uint64_t syncs = 0;
  Fault fault;
  std::optional<Space> space;

  bool fails(std::string_view call) { return fault && fault(call, ++calls); }

  void cut_out_damaged() {
    ++sequence;
    for (const std::string& key : damaged) {
      if (latest(key) != nullptr) set(key, nullptr);
    }
    damaged.clear();
    met_damage = false;
    repaired = true;
  }

  void set(const std::string& key, Value value) {
    Versions& versions = entries[key];
    if (cursors == 0) versions.clear();
    const bool erased = value == nullptr;
    versions.push_back({sequence, std::move(value)});
    if (cursors > 0) {
      superseded.insert(key);
    } else if (erased) {
      entries.erase(key);
    }
  }

  // Takes back what was written since the place in undo.
  void roll_back(std::size_t to) {
    ++sequence;
    while (undo.size() > to) {
      set(undo.back().key, undo.back().value);
      undo.pop_back();
    }
  }

  [[nodiscard]] Value latest(std::string_view key) const {
    const auto at = entries.find(key);
    return at == entries.end() ? nullptr : at->second.back().value;
  }

  void drop_superseded() {
    for (const std::string& key : superseded) {
      const auto at = entries.find(key);
      if (at == entries.end()) continue;
      if (at->second.back().value == nullptr) {
        entries.erase(at);
      } else {
        at->second.erase(at->second.begin(), at->second.end() - 1);
      }
    }
    superseded.clear();
  }
};

namespace {

Error injected(std::string_view call) {
  return Error::from_errno("memory store " + std::string(call), EIO);
}

Error damage_met() {
  return Error::from_errno("memory store", EBADMSG);
}

template <class State>
class MemoryCursor final : public Cursor {
 public:
  MemoryCursor(State& state, std::string_view lower, std::string_view upper)
      : state_(state), lower_(lower), upper_(upper) {
    const std::lock_guard held(state_.mutex);
    ++state_.cursors;
    sequence_ = state_.sequence;
    failed_ = state_.closed || state_.fails("scan");
    if (!failed_) settle(state_.entries.lower_bound(lower_));
  }

  ~MemoryCursor() override {
    const std::lock_guard held(state_.mutex);
    if (--state_.cursors == 0) state_.drop_superseded();
  }

  MemoryCursor(const MemoryCursor&) = delete;
  MemoryCursor& operator=(const MemoryCursor&) = delete;

  [[nodiscard]] bool valid() const override { return value_ != nullptr; }

  void next() override {
    const std::lock_guard held(state_.mutex);
    settle(state_.entries.upper_bound(key_));
  }

  void seek(std::string_view key) override {
    const std::lock_guard held(state_.mutex);
    if (!failed_) settle(state_.entries.lower_bound(std::max<std::string_view>(key, lower_)));
  }

  [[nodiscard]] std::string_view key() const override { return key_; }

  [[nodiscard]] std::string_view value() const override { return *value_; }

  [[nodiscard]] Result<void> status() const override {
    if (failed_) return failure(injected("scan"));
    if (damaged_) return failure(damage_met());
    return {};
  }

 private:
  // To the first entry at or behind `at` that existed when the cursor was made.
  template <class Iterator>
  void settle(Iterator at) {
    value_ = nullptr;
    damaged_ = false;
    for (; at != state_.entries.end() && at->first < upper_; ++at) {
      for (const auto& version : at->second) {
        if (version.sequence <= sequence_) value_ = version.value;
      }
      if (value_ != nullptr) {
        damaged_ = state_.damaged.contains(at->first);
        if (damaged_) {
          value_ = nullptr;
          state_.met_damage = true;
        }
        key_ = at->first;
        return;
      }
    }
  }

  State& state_;
  std::string lower_;
  std::string upper_;
  std::uint64_t sequence_ = 0;
  bool failed_ = false;
  bool damaged_ = false;
  std::string key_;
  Value value_;
};

}  // namespace

MemoryStore::MemoryStore() : state_(std::make_unique<State>()) {}

MemoryStore::~MemoryStore() = default;

std::unique_ptr<Batch> MemoryStore::new_batch() {
  return std::make_unique<MemoryBatch>();
}

Result<void> MemoryStore::write(Batch& batch, bool sync) {
  const std::lock_guard held(state_->mutex);
  if (state_->closed || state_->latched) return failure("memory store: not reopened", EIO);
  if (state_->fails("write")) {
    state_->latched = true;
    return failure(injected("write"));
  }
  ++state_->sequence;
  state_->writes.push_back(state_->undo.size());
  for (const Change& change : static_cast<const MemoryBatch&>(batch).changes()) {
    state_->undo.push_back({change.key, state_->latest(change.key)});
    state_->set(change.key, change.value);
  }
  if (!sync) return {};
  if (state_->fails("sync")) {
    state_->latched = true;
    return failure(injected("sync"));
  }
  ++state_->syncs;
  state_->undo.clear();
  state_->writes.clear();
  return {};
}

Result<std::optional<Chunk>> MemoryStore::get(std::string_view key) {
  const std::lock_guard held(state_->mutex);
  if (state_->damaged.contains(key)) {
    state_->met_damage = true;
    return failure(damage_met());
  }
  if (state_->closed || state_->fails("get")) return failure(injected("get"));
  const Value value = state_->latest(key);
  if (value == nullptr) return std::optional<Chunk>();
  return std::optional<Chunk>(Chunk(value, *value));
}

std::unique_ptr<Cursor> MemoryStore::scan(std::string_view lower, std::string_view upper) {
  return std::make_unique<MemoryCursor<State>>(*state_, lower, upper);
}

// What is found is made durable, as recovery of a log does by writing it into tables.
Result<void> MemoryStore::reopen() {
  const std::lock_guard held(state_->mutex);
  state_->closed = true;
  if (state_->fails("reopen")) return failure(injected("reopen"));
  std::vector<std::size_t>& writes = state_->writes;
  const std::size_t found = writes.size() - std::min(writes.size(), state_->lost_on_reopen);
  if (found < writes.size()) state_->roll_back(writes[found]);
  state_->lost_on_reopen = 0;
  state_->undo.clear();
  writes.clear();
  state_->latched = false;
  state_->closed = false;
  if (state_->met_damage) state_->cut_out_damaged();
  return {};
}

std::optional<Space> MemoryStore::space() {
  const std::lock_guard held(state_->mutex);
  return state_->space;
}

void MemoryStore::set_space(std::optional<Space> space) {
  const std::lock_guard held(state_->mutex);
  state_->space = space;
}

void MemoryStore::lose_on_reopen(std::size_t writes) {
  const std::lock_guard held(state_->mutex);
  state_->lost_on_reopen = writes;
}

void MemoryStore::damage(std::string_view key) {
  const std::lock_guard held(state_->mutex);
  state_->damaged.emplace(key);
}

void MemoryStore::repair() {
  const std::lock_guard held(state_->mutex);
  state_->cut_out_damaged();
}

bool MemoryStore::was_repaired() const {
  const std::lock_guard held(state_->mutex);
  return state_->repaired;
}

Result<void> MemoryStore::rebuilt() {
  const std::lock_guard held(state_->mutex);
  state_->repaired = false;
  return {};
}

bool MemoryStore::keep_free(std::uint64_t /*floor*/, std::uint64_t /*live*/) {
  const std::lock_guard held(state_->mutex);
  return !std::exchange(state_->stuck, false);
}

void MemoryStore::get_stuck() {
  const std::lock_guard held(state_->mutex);
  state_->stuck = true;
}

void MemoryStore::set_fault(Fault fault) {
  const std::lock_guard held(state_->mutex);
  state_->fault = std::move(fault);
}

void MemoryStore::lose_power() {
  const std::lock_guard held(state_->mutex);
  state_->roll_back(0);
  state_->writes.clear();
  state_->latched = false;
  state_->closed = false;
}

std::size_t MemoryStore::size() const {
  const std::lock_guard held(state_->mutex);
  std::size_t count = 0;
  for (const auto& [key, versions] : state_->entries) {
    if (versions.back().value != nullptr) ++count;
  }
  return count;
}

std::uint64_t MemoryStore::syncs() const {
  const std::lock_guard held(state_->mutex);
  return state_->syncs;
}

}  // namespace postrider::queue
