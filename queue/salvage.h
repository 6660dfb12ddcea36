// salvage: brings back what can still be read of tables that a repair took out. One block that does
// not verify makes the library give up the whole table; here only that block is lost. Private to
// the door, rocks_store. Thread: one, while nobody else has the database.
#pragma once

#include <filesystem>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <string>
#include <vector>

#include "relay/base/result.h"

namespace postrider::queue {

// Second names for the tables, in a folder of their own, from before a repair until what can be
// read of those that it took out is back in the database. A start that is cut short in between
// finds them again. Best effort: a table that cannot be linked is lost as a whole.
class TablesAside {
 public:
  explicit TablesAside(const std::string& directory);

  // Before the repair.
  void link() const;
  // After it: only the tables it took out stay.
  void drop_used() const;
  // The newest first.
  [[nodiscard]] std::vector<std::filesystem::path> tables() const;
  void remove() const;

 private:
  std::filesystem::path directory_;
  std::filesystem::path aside_;
};

// Puts back each entry of the tables that stand aside and can be read, unless the database knows
// its key: what it has is kept, and what was erased stays erased (ids are used once), but a
// suspension comes back, since mail that is held can be let go and not the other way round. Synced
// when it returns; the log says what could not be read. May be repeated after an error.
Result<void> put_back(rocksdb::DB& database, const rocksdb::Options& options,
                      const TablesAside& aside);

}  // namespace postrider::queue
