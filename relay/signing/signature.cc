#include "relay/signing/signature.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "relay/base/ascii.h"

namespace postrider::signing {

namespace {

// A reader shows or acts on them, or takes their absence for a fact: one that somebody adds on the
// way must break the signature. RFC 8058 section 4 wants the two of List-Unsubscribe signed.
constexpr std::array<std::string_view, 12> kOversigned = {
    "from",
    "reply-to",
    "subject",
    "date",
    "to",
    "cc",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-unsubscribe",
    "list-unsubscribe-post",
};
// Signed where they are there (RFC 6376 section 5.4.1).
constexpr std::array<std::string_view, 19> kSigned = {
    "sender",      "in-reply-to",         "references",
    "content-id",  "content-description", "content-disposition",
    "resent-date", "resent-from",         "resent-sender",
    "resent-to",   "resent-cc",           "resent-message-id",
    "list-id",     "list-help",           "list-subscribe",
    "list-post",   "list-owner",          "list-archive",
    "feedback-id",
};
// Fields that a signature covers: no honest message comes near it, and "h=" stays within a few KiB.
// To leave some out would let others add one of that name.
constexpr std::size_t kCoveredMax = 250;

std::string_view view_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// A field that is folded as it is written.
class FoldedField {
 public:
  explicit FoldedField(std::string_view name) : text_(name), column_(name.size()) {}

  // A tag, behind a blank.
  void tag(std::string_view text) {
    if (column_ + 1 + text.size() > kColumns) {
      fold();
    } else {
      add(" ");
    }
    add(text);
  }

  // Behind what there is, or on the next line: where RFC 6376 allows blanks.
  void glue(std::string_view text) {
    if (column_ + text.size() > kColumns) fold();
    add(text);
  }

  // Base64, cut wherever a line is full.
  void fill(std::string_view text) {
    while (!text.empty()) {
      if (column_ >= kColumns) fold();
      const std::size_t taken = std::min(text.size(), kColumns - column_);
      add(text.substr(0, taken));
      text.remove_prefix(taken);
    }
  }

  void add(std::string_view text) {
    text_ += text;
    column_ += text.size();
  }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void fold() {
    text_ += "\r\n ";
    column_ = 1;
  }

  // A semicolon may follow.
  static constexpr std::size_t kColumns = 76;
  std::string text_;
  std::size_t column_;
};

std::vector<Canonical> body_forms(const Signings& signings) {
  std::vector<Canonical> forms;
  forms.reserve(signings.size());
  for (const auto& signing : signings) forms.push_back(signing->body);
  return forms;
}

// Up to and including "b=".
FoldedField unsigned_field(const Signing& signing, const std::vector<std::string>& names,
                           const Digest& body, WallTime now) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  FoldedField field("DKIM-Signature:");
  field.tag("v=1;");
  field.tag("a=" + std::string(name_of(signing.key->algorithm())) + ";");
  field.tag("c=" + std::string(name_of(signing.header)) + "/" + std::string(name_of(signing.body)) +
            ";");
  field.tag("d=" + signing.domain + ";");
  field.tag("s=" + signing.selector + ";");
  field.tag("t=" + std::to_string(seconds) + ";");
  for (std::size_t i = 0; i < names.size(); ++i) {
    i == 0 ? field.tag("h=" + names[i]) : field.glue(":" + names[i]);
  }
  field.add(";");
  field.tag("bh=" + ascii::base64_encode(view_of(body)) + ";");
  field.tag("b=");
  return field;
}

bool is_too_much(const message::HeaderSection& header, const Signing& signing) {
  return header.size() > kCoveredMax &&
         signed_names(header, signing.more_fields).size() > kCoveredMax + kOversigned.size();
}

}  // namespace

std::vector<std::string> signed_names(const message::HeaderSection& header,
                                      const std::vector<std::string>& more) {
  std::map<std::string_view, std::size_t> counts;
  for (const auto& field : header.fields()) ++counts[field.name];
  std::vector<std::string> names;
  const auto take = [&](std::string_view name, std::size_t more_than_there) {
    const auto found = counts.find(name);
    const std::size_t there = found == counts.end() ? 0 : std::exchange(found->second, 0);
    names.insert(names.end(), there + more_than_there, std::string(name));
  };
  for (const std::string_view name : kOversigned) take(name, 1);
  for (const std::string_view name : kSigned) take(name, 0);
  for (const std::string& name : more) {
    const bool has = std::find(kOversigned.begin(), kOversigned.end(), name) != kOversigned.end();
    if (!has) take(name, 0);
  }
  return names;
}

Digest header_digest(Canonical form, const message::HeaderSection& header,
                     const std::vector<std::string>& names, std::string_view field) {
  std::map<std::string_view, std::vector<std::string_view>> left;
  for (const auto& one : header.fields()) left[one.name].push_back(one.text);
  std::string text;
  for (const std::string& name : names) {
    auto& fields = left[name];
    if (fields.empty()) continue;
    append_field(text, form, fields.back());
    fields.pop_back();
  }
  append_field(text, form, field);
  text.resize(text.size() - 2);  // RFC 6376 section 3.7: the signature field itself has no line end
  Sha256 sha;
  sha.update(text);
  return sha.finish();
}

Result<void> check_signable(const message::HeaderSection& header, const Signings& signings) {
  std::size_t from = 0;
  for (const auto& field : header.fields()) {
    if (field.name.empty()) {
      return failure("its header section has a line that is no field");
    }
    if (field.name == "from") ++from;
  }
  if (from == 0) return failure("it has no From field");
  if (from > 1) return failure("it has more than one From field");
  for (const auto& signing : signings) {
    if (!is_too_much(header, *signing)) continue;
    return failure("more than " + std::to_string(kCoveredMax) + " of its fields are to be signed");
  }
  return {};
}

Result<std::string> signature_fields(const Signings& signings, const message::HeaderSection& header,
                                     const message::Body& body, WallTime now, BodyDigests begun) {
  if (auto good = check_signable(header, signings); !good) return failure(good.error());
  BodyDigests digests = begun.valid() ? std::move(begun) : BodyDigests(body_forms(signings));
  digests.feed(body);
  digests.finish();
  std::string fields;
  for (const auto& signing : signings) {
    const Digest* hash = digests.of(signing->body);
    if (hash == nullptr) return failure("its body was not hashed in the form of this key");
    const std::vector<std::string> names = signed_names(header, signing->more_fields);
    FoldedField field = unsigned_field(*signing, names, *hash, now);
    const Digest digest = header_digest(signing->header, header, names, field.text());
    const auto signature = signing->key->sign(digest);
    if (!signature) return failure(signature.error());
    field.fill(ascii::base64_encode(*signature));
    fields += field.text() + "\r\n";
  }
  return fields;
}

}  // namespace postrider::signing
