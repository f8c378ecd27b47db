/* SPDX-License-Identifier: MIT
 *
 * The table of relays, a page at a time: all of them would not fit a frame of
 * the control socket.
 */
#ifndef WARREN_NODE_RPC_RELAY_PAGE_H
#define WARREN_NODE_RPC_RELAY_PAGE_H

#include "base/error.h"
#include "tunnel/member/member.h"
#include "wire/msgpack/mp_writer.h"

#include <stdint.h>

/* A relay takes at most about 600 bytes and 40 tokens. */
#define RELAY_PAGE_MAX 1000

/* Writes a map: `known` (how many there are), `peers` (at most `max`, those
 * that follow the identity `after`; NULL: the first), and unless these are the
 * last, `next`: the `after` of the next page. ERR_NO_MEMORY. */
enum error relay_page_write(struct mp_writer *w, const struct directory *d,
                            const uint8_t *after, unsigned max, uint64_t wall,
                            uint64_t now);

#endif
