/* SPDX-License-Identifier: MIT
 *
 * How much a relay gives away: token buckets in bytes, one over all circuits
 * and one for each, and what waits while they are empty.
 *
 * A cell for which there are tokens, and that would overtake nobody, passes
 * at once and is not copied. Others wait in the queue of their circuit. The
 * queues are served by deficit round robin (Shreedhar and Varghese, SIGCOMM
 * 1995): as many bytes for each, so that a cell of a circuit with little
 * traffic waits for at most one cell of every other.
 *
 * A circuit may let as many cells wait as there are places left (dynamic
 * thresholds; Choudhury and Hahne, 1998), and no more than its own cap: n
 * circuits that flood leave 1/(n + 1) of the places free for others. The
 * newest cell is the one that is dropped, before work was spent on it.
 *
 * Over any time t, what leaves is at most burst + bandwidth * t bytes of UDP
 * payload, overall and for each circuit.
 */
#ifndef WARREN_TUNNEL_TRANSIT_TRANSIT_QUEUE_H
#define WARREN_TUNNEL_TRANSIT_TRANSIT_QUEUE_H

#include "base/error.h"
#include "tunnel/link/cell.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes, and bytes a second; beyond 2^34 they count as that. A bandwidth of 0
 * is no limit. A burst below TRANSIT_BURST_MIN bytes, or below a cell and
 * what passes in two TRANSIT_QUEUE_PAUSE, counts as that much: with less a late
 * timer would cost throughput. */
struct transit_queue_config {
    uint64_t bandwidth, bandwidth_burst;       /* of all circuits */
    uint64_t circuit_bandwidth, circuit_burst; /* of each */
    unsigned max_cells;                        /* that wait, overall */
    unsigned max_circuit_cells;                /* of one circuit */
};

#define TRANSIT_BURST_MIN   (2 * (uint64_t)CELL_MAX)
#define TRANSIT_QUEUE_PAUSE UINT64_C(2000000) /* ns between two services */

enum transit_way { TRANSIT_FORWARD, TRANSIT_BACKWARD };

struct byte_bucket {
    uint64_t full_at; /* as in base/limiter.h */
};

struct byte_rate {
    uint64_t per_second; /* 0: no limit */
    uint64_t depth;      /* ns in which the whole burst comes back */
};

struct queued_cell;

/* What a circuit has here; all zeros at the beginning. */
struct transit_flow {
    struct byte_bucket bucket;
    struct queued_cell *head, **tail;
    struct transit_flow *next, *prev; /* in the ring that it is in */
    struct transit_flow **ring;       /* while cells wait */
    uint32_t count;
    uint32_t deficit; /* bytes that it may send in its turn */
};

struct transit_queue_stats {
    uint64_t waited;  /* and left in the end */
    uint64_t dropped; /* no place */
};

struct transit_queue {
    struct byte_rate rate, circuit_rate;
    unsigned max_cells, max_circuit_cells;
    void *ctx;
    /* The cell is the receiver's to overwrite and gone when this returns. */
    void (*send)(void *ctx, struct transit_flow *flow, enum transit_way way,
                 uint8_t *datagram, size_t len, uint64_t now);
    struct byte_bucket bucket;
    struct transit_flow *turn; /* the ring that is served, at whose turn */
    struct transit_flow *held; /* the ring of those without own tokens */
    bool in_turn;              /* a turn was interrupted */
    struct queued_cell *spare; /* kept for a while after the last use */
    unsigned count;            /* cells that wait */
    bool starved;              /* they wait for the bucket over all */
    uint64_t used_at;
    uint64_t deadline;
    struct transit_queue_stats stats;
};

/* `ctx` and `send` are set by the caller afterwards. */
void transit_queue_init(struct transit_queue *q,
                        const struct transit_queue_config *config);
/* All flows have been forgotten. */
void transit_queue_deinit(struct transit_queue *q);
/* New limits; the buckets are full, what waits goes on waiting. */
void transit_queue_configure(struct transit_queue *q,
                             const struct transit_queue_config *config);

/* What becomes of the next cell of this flow. */
enum transit_offer {
    TRANSIT_PASSES, /* leaves at once */
    TRANSIT_WAITS,
    TRANSIT_DROPPED /* and counted: the caller saves the work of making it */
};

enum transit_offer transit_queue_offer(struct transit_queue *q,
                                       const struct transit_flow *flow,
                                       size_t len, uint64_t now);
/* The cell that was offered just before, once its layers are done: it is sent,
 * or copied to wait, as `offer` said. */
void transit_queue_put(struct transit_queue *q, struct transit_flow *flow,
                       enum transit_offer offer, enum transit_way way,
                       uint8_t *datagram, size_t len, uint64_t now);
/* Drops what waits; the flow may go. */
void transit_queue_forget(struct transit_queue *q, struct transit_flow *flow);

void transit_queue_tick(struct transit_queue *q, uint64_t now);
uint64_t transit_queue_next_deadline(const struct transit_queue *q);

#endif
