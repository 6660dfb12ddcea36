#include "queue/salvage.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/write_batch.h>
#include <set>
#include <string_view>
#include <utility>

#include <rocksdb/utilities/debug.h>

#include "queue/keys.h"
#include "queue/rocks_database.h"
#include "relay/base/log.h"

namespace postrider::queue {

namespace {

namespace fs = std::filesystem;

// Keys that differ behind so many octets are of spaces that a rebuild writes anew.
constexpr std::size_t kPlaceSize = 64;
constexpr std::size_t kPlaceBits = 8 * kPlaceSize;
// Damaged stretches of one table. A file with more is no file any more, and each costs a thousand
// reads.
constexpr int kGapsMax = 256;
// Entries, and octets of them, that are looked up and written together.
constexpr std::size_t kGroupEntries = 256;
constexpr std::size_t kGroupSize = 1U << 20;
constexpr std::size_t kVersionsAtOnce = 128;
// The library's number for an entry that says its key was erased.
constexpr int kErased = 0;

// A key as a number of kPlaceSize octets, the highest first, so that the distance to the next key
// that can be read can be sought by doubling.
std::string place_of(std::string_view key) {
  std::string place(key.substr(0, kPlaceSize));
  place.resize(kPlaceSize);
  return place;
}

// Plus 2^bit; nullopt where that is beyond all keys.
std::optional<std::string> plus(std::string place, std::size_t bit) {
  std::size_t at = kPlaceSize - 1 - bit / 8;
  unsigned carry = 1U << (bit % 8);
  for (;; --at) {
    carry += static_cast<unsigned char>(place[at]);
    place[at] = static_cast<char>(carry & 0xff);
    carry >>= 8;
    if (carry == 0) return place;
    if (at == 0) return std::nullopt;
  }
}

// The entries of one table. An iterator that met damage stays with it, so each search takes a new
// one.
class Entries {
 public:
  explicit Entries(rocksdb::SstFileReader& table) : table_(table) { renew(); }

  rocksdb::Iterator* operator->() const { return at_.get(); }

  // To the first entry at or behind `place`, or to the end; false where damage is in between.
  bool seek(const std::string& place) {
    renew();
    at_->Seek(place);
    return at_->status().ok();
  }

 private:
  void renew() { at_.reset(table_.NewIterator(rocksdb::ReadOptions())); }

  rocksdb::SstFileReader& table_;
  std::unique_ptr<rocksdb::Iterator> at_;
};

// Brings `entries`, which met damage behind the key `last`, to the first one behind the damage, or
// to the end. False: nothing behind it can be read.
bool pass_damage(Entries& entries, std::string_view last) {
  const std::string from = place_of(last);
  std::string damaged = from;
  std::size_t bit = 0;
  for (;; ++bit) {
    if (bit == kPlaceBits) return false;
    auto place = plus(from, bit);
    if (!place) return false;
    if (entries.seek(*place)) break;
    damaged = std::move(*place);
  }
  // The first place that can be read is behind `damaged`, at most as far as that is from `last`.
  for (std::size_t below = bit == 0 ? 0 : bit - 1; below-- > 0;) {
    auto place = plus(damaged, below);
    if (place && !entries.seek(*place)) damaged = std::move(*place);
  }
  const auto first = plus(damaged, 0);
  return first && entries.seek(*first);
}

class TableSalvage {
 public:
  explicit TableSalvage(rocksdb::DB& database) : database_(database) {}

  // All of `table` that can be read.
  rocksdb::Status run(const fs::path& table, const rocksdb::Options& options) {
    rocksdb::SstFileReader reader(options);
    if (auto opened = reader.Open(table); !opened.ok()) {
      log::error("queue", "a damaged table cannot be read at all; what it held is missing",
                 {{"kept", "lost/" + table.filename().string()},
                  {"octets", size_of(table)},
                  {"why", opened.ToString()}});
      return {};
    }
    Entries entries(reader);
    bool to_the_end = true;
    std::string last;
    for (entries->SeekToFirst(); to_the_end; to_the_end = pass_damage(entries, last)) {
      for (; entries->Valid(); entries->Next()) {
        last = entries->key().ToString();
        if (auto taken = take(last, entries->value().ToString()); !taken.ok()) return taken;
      }
      if (entries->status().ok()) break;
      if (++gaps_ == kGapsMax) to_the_end = false;
      if (!to_the_end) break;
    }
    if (auto written = write_group(); !written.ok()) return written;
    report(table, to_the_end);
    return {};
  }

 private:
  static std::uint64_t size_of(const fs::path& table) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(table, error);
    return error ? 0 : size;
  }

  static void report_rest(const fs::path& table) {
    log::error("queue", "the rest of a damaged table cannot be read; what it held is missing",
               {{"kept", "lost/" + table.filename().string()}, {"octets", size_of(table)}});
  }

  void report(const fs::path& table, bool to_the_end) const {
    log::warning("queue", "what can be read of a damaged table was put back",
                 {{"kept", "lost/" + table.filename().string()},
                  {"entries", read_},
                  {"put_back", put_back_},
                  {"damaged_stretches", gaps_}});
    if (!to_the_end) report_rest(table);
  }

  rocksdb::Status take(std::string key, std::string value) {
    ++read_;
    group_size_ += key.size() + value.size();
    group_.emplace_back(std::move(key), std::move(value));
    if (group_.size() < kGroupEntries && group_size_ < kGroupSize) return {};
    return write_group();
  }

  // Those of the group that the database knows: has, or has erased.
  rocksdb::Status find_known(std::set<std::string>& known) {
    auto next = group_.begin();
    while (next != group_.end()) {
      std::vector<rocksdb::KeyVersion> versions;
      rocksdb::Status found = rocksdb::GetAllKeyVersions(
          &database_, next->first, group_.back().first, kVersionsAtOnce, &versions);
      if (!found.ok()) return found;
      const std::string* before = nullptr;
      for (const rocksdb::KeyVersion& version : versions) {
        const bool is_newest = before == nullptr || *before != version.user_key;
        before = &version.user_key;
        const bool may_return =
            version.type == kErased && version.user_key.starts_with(space::kState);
        if (is_newest && !may_return) known.insert(version.user_key);
      }
      if (versions.size() < kVersionsAtOnce) break;
      // Keys of other messages stand between: on with the first one behind what was seen.
      next = std::upper_bound(
          next, group_.end(), versions.back().user_key,
          [](const std::string& key, const auto& entry) { return key < entry.first; });
    }
    return {};
  }

  rocksdb::Status write_group() {
    if (group_.empty()) return {};
    std::set<std::string> known;
    if (auto found = find_known(known); !found.ok()) return found;
    rocksdb::WriteBatch batch;
    for (const auto& [key, value] : group_) {
      if (known.contains(key)) continue;
      if (auto put = batch.Put(key, value); !put.ok()) return put;
      ++put_back_;
    }
    group_.clear();
    group_size_ = 0;
    return database_.Write(rocksdb::WriteOptions(), &batch);
  }

  rocksdb::DB& database_;
  std::vector<std::pair<std::string, std::string>> group_;  // in the order of keys
  std::size_t group_size_ = 0;
  std::uint64_t read_ = 0;
  std::uint64_t put_back_ = 0;
  int gaps_ = 0;
};

}  // namespace

TablesAside::TablesAside(const std::string& directory)
    : directory_(directory), aside_(directory_ / "tables-before-repair") {}

void TablesAside::link() const {
  std::error_code error;
  fs::create_directory(aside_, error);
  fs::permissions(aside_, fs::perms::owner_all, error);
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    if (entry.path().extension() != ".sst") continue;
    fs::create_hard_link(entry.path(), aside_ / entry.path().filename(), error);
  }
}

void TablesAside::drop_used() const {
  for (const fs::path& table : tables()) {
    std::error_code error;
    if (fs::equivalent(table, directory_ / table.filename(), error)) fs::remove(table, error);
  }
}

std::vector<fs::path> TablesAside::tables() const {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(aside_, error)) found.push_back(entry.path());
  std::sort(found.rbegin(), found.rend());
  return found;
}

void TablesAside::remove() const {
  std::error_code error;
  fs::remove_all(aside_, error);
}

Result<void> put_back(rocksdb::DB& database, const rocksdb::Options& options,
                      const TablesAside& aside) {
  rocksdb::Status status;
  for (const fs::path& table : aside.tables()) {
    status = TableSalvage(database).run(table, options);
    if (!status.ok()) break;
  }
  if (status.ok() && !aside.tables().empty()) {
    rocksdb::WriteOptions synced;
    synced.sync = true;
    rocksdb::WriteBatch nothing;
    status = database.Write(synced, &nothing);
  }
  if (!status.ok()) return failure(to_error("putting back what damaged tables hold", status));
  aside.remove();
  return {};
}

}  // namespace postrider::queue
