/* SPDX-License-Identifier: MIT
 *
 * Sessions: the keys that one handshake gave, found by array index from the
 * index that a cell carries. A link has one to send with, and for a while
 * after a rekey also the one before.
 *
 * An index is a slot in its low bits and random bits above, so that an index
 * of a session that ended finds nothing. The slot's lowest bits can choose a
 * worker.
 */
#ifndef WARREN_TUNNEL_SESSION_H
#define WARREN_TUNNEL_SESSION_H

#include "tunnel/cell.h"
#include "tunnel/noise.h"
#include "tunnel/replay.h"
#include "wire/error.h"
#include "wire/random_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_SLOT_BITS 20

struct link;

struct session {
    uint32_t local;  /* our index: in the cells that we get */
    uint32_t remote; /* the peer's: in the cells that we send */
    struct link *link;
    uint64_t counter; /* of the next cell that we send */
    uint64_t born;
    struct cell_keys out, in;
    struct replay replay;
};

struct session_table {
    struct session **slots; /* NULL: free */
    size_t cap;             /* of the array */
    size_t count;
    size_t max;
    size_t next; /* where the search for a free slot begins */
    struct random_source random;
};

/* At most `max` sessions, which is at most 2^SESSION_SLOT_BITS. */
void session_table_init(struct session_table *t, size_t max,
                        const struct random_source *random);
void session_table_deinit(struct session_table *t);

/* A session without keys, with an index of its own. ERR_FULL,
 * ERR_NO_MEMORY. */
enum error session_new(struct session_table *t, struct link *link, uint64_t now,
                       struct session **out);
void session_free(struct session_table *t, struct session *s);

/* NULL when no session has this index. */
struct session *session_find(const struct session_table *t, uint32_t index);

/* After the handshake. */
void session_set_keys(struct session *s, const struct noise_keys *keys,
                      bool initiator, uint32_t remote);

#endif
