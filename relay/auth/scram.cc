#include "relay/auth/scram.h"

#include <array>
#include <utility>
#include <vector>

#include "relay/auth/scram_parts.h"
#include "relay/base/ascii.h"
#include "relay/base/random.h"

namespace postrider::auth {

namespace {

constexpr std::string_view kScheme = "SCRAM-SHA-256";
constexpr std::size_t kSaltSize = 16;
constexpr unsigned kIterations = 10'000;

}  // namespace

// RFC 5802 section 3.
Result<std::string> make_scram_verifier(std::string_view password) {
  if (password.empty()) return failure("cannot use an empty password");
  if (!ascii::is_printable(password)) {
    return failure("SCRAM needs a password of printable ASCII characters");
  }
  std::array<std::byte, kSaltSize> random{};
  SystemRandom().fill(random);
  const std::string salt(reinterpret_cast<const char*>(random.data()), random.size());
  const std::string salted = scram::salted(password, salt, kIterations);
  const std::string stored_key = scram::sha256(scram::hmac(salted, "Client Key"));
  const std::string server_key = scram::hmac(salted, "Server Key");
  return std::string(kScheme) + "$" + std::to_string(kIterations) + ":" +
         ascii::base64_encode(salt) + "$" + ascii::base64_encode(stored_key) + ":" +
         ascii::base64_encode(server_key);
}

Result<ScramVerifier> parse_scram_verifier(std::string_view text) {
  const auto parts = ascii::split(text, '$');
  if (parts.front() != kScheme) {
    return failure("a SCRAM verifier begins with " + std::string(kScheme) + "$");
  }
  const auto broken = failure("the SCRAM verifier is not whole; was it cut when it was copied?");
  if (parts.size() != 3) return broken;
  const auto first = ascii::split(parts[1], ':');
  const auto second = ascii::split(parts[2], ':');
  if (first.size() != 2 || second.size() != 2) return broken;
  const auto iterations = ascii::parse_u64(first[0]);
  const auto salt = ascii::base64_decode(first[1]);
  const auto stored_key = ascii::base64_decode(second[0]);
  const auto server_key = ascii::base64_decode(second[1]);
  if (!iterations || !salt || salt->empty() || !stored_key || !server_key) return broken;
  if (stored_key->size() != scram::kDigestSize || server_key->size() != scram::kDigestSize)
    return broken;
  if (*iterations < scram::kIterationsMin || *iterations > scram::kIterationsMax) {
    return failure("a SCRAM verifier has " + std::to_string(scram::kIterationsMin) + " to " +
                   std::to_string(scram::kIterationsMax) + " iterations");
  }
  return ScramVerifier{static_cast<unsigned>(*iterations), *salt, *stored_key, *server_key};
}

ScramExchange::ScramExchange(std::shared_ptr<const Users> users, const KeyedDigest& digests)
    : users_(std::move(users)), digests_(digests), nonce_(scram::fresh_nonce()) {}

ScramExchange::Step ScramExchange::respond(std::string_view message) {
  switch (std::exchange(turn_, Turn::kOver)) {
    case Turn::kFirst:
      return first(message);
    case Turn::kLast:
      return last(message);
    case Turn::kAcknowledgement:
      return message.empty() ? Step::kAccepted : Step::kMalformed;
    case Turn::kOver:
      break;
  }
  return Step::kMalformed;
}

// "n,,n=user,r=nonce". 'y': the client could bind the channel and thinks that we cannot, which is
// true.
ScramExchange::Step ScramExchange::first(std::string_view message) {
  const std::string_view whole_view = message;
  if (!message.starts_with("n,") && !message.starts_with("y,")) return Step::kMalformed;
  message.remove_prefix(2);
  std::optional<std::string> identity;
  if (message.starts_with(',')) {
    message.remove_prefix(1);
  } else {
    const auto given = scram::take_attribute(message, 'a');
    identity = given ? scram::decode_name(*given) : std::nullopt;
    if (!identity) return Step::kMalformed;
  }
  header_ = whole_view.substr(0, whole_view.size() - message.size());
  first_bare_ = message;
  // An "m=" before it is an extension we lack.
  const auto name = scram::take_attribute(message, 'n');
  const auto user = name ? scram::decode_name(*name) : std::nullopt;
  const auto client_nonce = scram::take_attribute(message, 'r');
  if (!user || !client_nonce || !scram::is_nonce(*client_nonce)) return Step::kMalformed;
  user_ = *user;
  // On behalf of another: no; but the challenge must not tell whether the user exists.
  for_another_ = identity && *identity != user_;
  verifier_ = verifier_of(user_);
  nonce_ = std::string(*client_nonce) + nonce_;
  challenge_ = "r=" + nonce_ + ",s=" + ascii::base64_encode(verifier_.salt) +
               ",i=" + std::to_string(verifier_.iterations);
  turn_ = Turn::kLast;
  return Step::kChallenge;
}

ScramVerifier ScramExchange::verifier_of(const std::string& user) {
  const User* known = users_->find(user);
  if (known != nullptr) {
    if (auto verifier = parse_scram_verifier(known->scram_verifier)) {
      real_ = true;
      return *verifier;
    }
  }
  // The same salt each time, as if it were kept somewhere.
  const Digest salt = digests_.of({"scram-salt", user});
  const Digest key = digests_.of({"scram-key", user});
  return {kIterations, std::string(salt.data(), kSaltSize), std::string(key.data(), key.size()),
          std::string(key.data(), key.size())};
}

// "c=header,r=nonce,p=proof"; what stands between nonce and proof is an extension to ignore.
ScramExchange::Step ScramExchange::last(std::string_view message) {
  const std::size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return Step::kMalformed;
  const std::string_view without_proof = message.substr(0, proof_at);
  const auto proof = ascii::base64_decode(message.substr(proof_at + 3));
  std::string_view rest = without_proof;
  const auto binding = scram::take_attribute(rest, 'c');
  const auto nonce = scram::take_attribute(rest, 'r');
  if (!binding || !nonce || !proof || proof->size() != scram::kDigestSize) return Step::kMalformed;
  if (*binding != ascii::base64_encode(header_) || *nonce != nonce_) return Step::kRejected;
  const std::string all = first_bare_ + "," + challenge_ + "," + std::string(without_proof);
  std::string client_key = scram::hmac(verifier_.stored_key, all);
  for (std::size_t i = 0; i < client_key.size(); ++i) {
    client_key[i] = static_cast<char>(client_key[i] ^ (*proof)[i]);
  }
  const bool right = digests_.equal(scram::sha256(client_key), verifier_.stored_key);
  if (!right || !real_ || for_another_) return Step::kRejected;
  challenge_ = "v=" + ascii::base64_encode(scram::hmac(verifier_.server_key, all));
  turn_ = Turn::kAcknowledgement;
  return Step::kChallenge;
}

}  // namespace postrider::auth
