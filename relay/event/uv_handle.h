// What the wrappers of relay/event share; no other folder includes it.
//
// libuv handles do not move and are freed only in their close callback. So a wrapper owns a Block
// on the heap: the libuv handle as its member `uv`, and what the callbacks need. Thread:
// loop-affine.
#pragma once

#include <string_view>
#include <uv.h>

#include "relay/base/result.h"

namespace postrider::event {

template <class Handle>
uv_handle_t* as_handle(Handle& handle) {
  return reinterpret_cast<uv_handle_t*>(&handle);
}

// The block a callback belongs to; its handle's `data` points to it.
template <class Block>
Block& block_of(const uv_handle_t* handle) {
  return *static_cast<Block*>(handle->data);
}

// Closes the block's handle and frees the block when libuv lets go of it, in a later turn.
template <class Block>
void close_block(Block* block) {
  uv_handle_t* const handle = as_handle(block->uv);
  handle->data = block;
  uv_close(handle, [](uv_handle_t* closed) noexcept { delete &block_of<Block>(closed); });
}

// `status` is a libuv result below zero; on Linux that is a negated errno.
inline Error uv_error(std::string_view what, int status) {
  return Error::from_errno(what, -status);
}

}  // namespace postrider::event
