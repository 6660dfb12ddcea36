// Suspensions: the rules by which queues are suspended, each for a domain, a tenant, a campaign, or
// what these have in common. Thread: none of its own; DueIndex holds them.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "queue/keys.h"
#include "queue/queue.h"

namespace postrider::queue {

class Suspensions {
 public:
  // Replaces the reason and the end of one that names the same.
  void add(Suspension rule);
  void remove(const Suspension& rule);

  // The one that names the same queues; nullptr: there is none.
  [[nodiscard]] const Suspension* find(const Suspension& rule) const;
  // An encoded name. Decodes nothing: a new rule is held against every queue there is.
  [[nodiscard]] bool match(std::string_view queue) const;

  [[nodiscard]] std::vector<Suspension> all() const;
  // Those whose time is over, and when the next one's will be.
  [[nodiscard]] std::vector<Suspension> ended(WallTime now) const;

  [[nodiscard]] std::optional<WallTime> next_end() const { return next_end_; }

  [[nodiscard]] std::size_t size() const { return rules_.size(); }

  [[nodiscard]] bool empty() const { return rules_.empty(); }

 private:
  using View = std::tuple<std::string_view, std::string_view, std::string_view>;

  // Domain, tenant, campaign, as_written().
  struct Name {
    std::string domain, tenant, campaign;

    [[nodiscard]] View view() const { return {domain, tenant, campaign}; }
  };

  struct Less {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library asks for it

    static const View& view(const View& name) { return name; }

    static View view(const Name& name) { return name.view(); }

    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return view(a) < view(b);
    }
  };

  // Which of the three a rule names, as bits: most rules name the same, so that one look is enough.
  static constexpr unsigned kShapes = 8;
  static unsigned shape_of(const Suspension& rule);
  static Name name_of(const Suspension& rule);
  void find_next_end();

  std::map<Name, Suspension, Less> rules_;
  std::array<std::size_t, kShapes> of_shape_{};
  std::optional<WallTime> next_end_;
};

}  // namespace postrider::queue
