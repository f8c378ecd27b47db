/* SPDX-License-Identifier: MIT
 *
 * Sessions: the keys that one handshake gave, found by array index from the
 * index that a cell carries. A link has one to send with, and for a while
 * after a rekey also the one before.
 */
#ifndef WARREN_TUNNEL_LINK_SESSION_H
#define WARREN_TUNNEL_LINK_SESSION_H

#include "base/table/slot_table.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/crypto/replay.h"
#include "tunnel/link/cell.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;

struct session {
    uint32_t local;  /* our index: in the cells that we get */
    uint32_t remote; /* the peer's: in the cells that we send */
    struct link *link;
    uint64_t counter; /* of the next cell that we send */
    uint64_t born;    /* begun, then: in use */
    struct cell_keys out, in;
    struct replay replay;
};

/* A session without keys, with an index of its own. ERR_FULL,
 * ERR_NO_MEMORY. */
enum error session_new(struct slot_table *t, struct link *link, uint64_t now,
                       struct session **out);
void session_free(struct slot_table *t, struct session *s);

/* NULL when no session has this index. */
struct session *session_find(const struct slot_table *t, uint32_t index);

/* After the handshake. */
void session_set_keys(struct session *s, const struct noise_keys *keys,
                      bool initiator, uint32_t remote);

#endif
