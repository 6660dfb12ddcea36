// ServerSession: the text of a message, behind DATA and in the chunks of BDAT.
#include <string>
#include <utility>

#include "relay/smtp/server_machine.h"

namespace postrider::smtp {

namespace {

std::string_view reason_of(std::uint8_t defects) {
  if ((defects & kDefectBareLf) != 0) return "bare_lf";
  if ((defects & kDefectBareCr) != 0) return "bare_cr";
  if ((defects & kDefectNul) != 0) return "nul";
  return "text_line_length";
}

}  // namespace

void ServerSession::Machine::begin_text() {
  text_ = Text(options_.text_line_max);
  text_.open = true;
  await_text();
  emit(BeginBody{});
}

void ServerSession::Machine::read_data() {
  const std::size_t before = input_view_.size();
  take_text(text_.data.take(input_view_));
  rate_octets_ += before - input_view_.size();
  if (!text_.data.ended()) return;
  mode_ = Mode::kCommands;
  end_text();
}

// RFC 3030 section 2: the octets of a chunk follow its command without a go-ahead, so they are
// taken even when it is refused.
void ServerSession::Machine::begin_chunk(const ChunkCommand& chunk, const Denial* denial) {
  chunk_size_ = chunk_left_ = chunk.size;
  chunk_last_ = chunk.last;
  chunk_denial_.reset();
  if (denial != nullptr) {
    chunk_denial_ = *denial;
    await_text();
  } else if (!text_.chunked) {
    begin_text();
    text_.chunked = true;
  }
  mode_ = Mode::kChunk;
  if (chunk_left_ == 0) end_chunk();
}

void ServerSession::Machine::read_chunk() {
  const std::string_view octets = input_view_.substr(0, chunk_left_);
  input_view_.remove_prefix(octets.size());
  chunk_left_ -= octets.size();
  rate_octets_ += octets.size();
  if (!chunk_denial_) {
    text_.chunks.feed(octets);
    take_text(octets);
  }
  if (chunk_left_ == 0) end_chunk();
}

void ServerSession::Machine::take_text(std::string_view text) {
  text_.size += text.size();
  if (!text_.headers.ended()) text_.headers.feed(text);
  if (!text_.open) return;
  if (text_denial()) {
    abort_text();
  } else if (!text.empty()) {
    emit(BodyPart{text});
  }
}

void ServerSession::Machine::abort_text() {
  if (!text_.open) return;
  text_.open = false;
  emit(AbortBody{});
}

std::optional<Denial> ServerSession::Machine::text_denial() const {
  const auto defects = static_cast<std::uint8_t>(text_.data.defects() | text_.chunks.defects());
  if (defects != 0) {
    return Denial{reason_of(defects), {554, {5, 6, 0}, std::string(describe_defect(defects))}};
  }
  if (text_.headers.received_count() > options_.received_max) {
    return Denial{"loop", {554, {5, 4, 6}, "Too many Received fields; this is a mail loop"}};
  }
  if (text_.size > options_.message_size_max) {
    return Denial{
        "message_size",
        {552,
         {5, 3, 4},
         "Message is larger than " + std::to_string(options_.message_size_max) + " octets"}};
  }
  return std::nullopt;
}

void ServerSession::Machine::end_chunk() {
  mode_ = Mode::kCommands;
  if (chunk_denial_) {
    const Denial denial = *std::exchange(chunk_denial_, std::nullopt);
    const bool pardoned = pardons_ > 0;
    reset_transaction();
    if (pardoned) {
      --pardons_;
      deny(denial.reason, denial.status);
    } else {
      pardon_followers();
      deny_fault(denial.reason, denial.status);
    }
    return;
  }
  if (chunk_last_) {
    end_text();
    return;
  }
  if (const std::optional<Denial> denial = text_denial()) {
    reset_transaction();
    pardon_followers();
    deny(denial->reason, denial->status);
    return;
  }
  reply(250, {2, 0, 0}, std::to_string(chunk_size_) + " octets received");
}

void ServerSession::Machine::end_text() {
  if (text_.chunked) text_.chunks.finish();
  if (const std::optional<Denial> denial = text_denial()) {
    reset_transaction();
    deny(denial->reason, denial->status);
    return;
  }
  // Chunks may end within a line; the canonical form does not.
  if (text_.chunked && !text_.chunks.at_line_start()) emit(BodyPart{"\r\n"});
  text_.open = false;
  stop_awaiting_text();
  if (hold_for_ > Seconds(0)) envelope_.release = wall() + hold_for_;
  ask_ = Ask::kCommit;
  emit(AskCommit{});
}

}  // namespace postrider::smtp
