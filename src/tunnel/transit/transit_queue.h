/* SPDX-License-Identifier: MIT
 *
 * How much a relay gives away: token buckets in bytes, one over all circuits
 * and one for each, and what waits while they are empty.
 *
 * A cell for which there are tokens, and that would overtake nobody, passes
 * at once and is not copied. Others wait in the queue of their circuit. The
 * queues are served by deficit round robin (Shreedhar and Varghese, SIGCOMM
 * 1995), as many bytes for each, at three levels:
 *
 *     sites    as much for each, as for its lines, but for four at most
 *     lines    of a site (base/source.h), as much for each
 *     circuits of a line, as much for each
 *
 * So it does not matter how many circuits somebody has, and little how many
 * addresses of one network; a cell of a circuit with little traffic waits for
 * at most one cell of every other circuit of its line, and a turn of each other
 * line.
 *
 * A circuit may let as many cells wait as there are places left (dynamic
 * thresholds; Choudhury and Hahne, 1998), and no more than its own cap; a line
 * and a site four times as many as there are places left. n lines that flood
 * leave 1/(4n + 1) of the places free for others. The newest cell is the one
 * that is dropped, before work was spent on it.
 *
 * Over any time t, what leaves is at most burst + bandwidth * t bytes of UDP
 * payload, overall and for each circuit.
 */
#ifndef WARREN_TUNNEL_TRANSIT_TRANSIT_QUEUE_H
#define WARREN_TUNNEL_TRANSIT_TRANSIT_QUEUE_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/table/keyed_table.h"
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

/* Who is served in turn with others: a circuit, a line or a site. */
struct transit_turn {
    struct transit_turn *next, *prev; /* in the ring that it is in */
    struct transit_turn **ring;       /* while cells wait */
    struct transit_turn *above;       /* a circuit's line, a line's site, ... */
    struct transit_turn *turn;        /* the ring below, at whose turn it is */
    uint32_t members;                 /* of that ring */
    uint32_t count;                   /* cells that wait */
    uint32_t deficit;                 /* bytes that it may send in its turn */
    bool in_turn;                     /* which has begun */
};

/* What a circuit has here; all zeros at the beginning. */
struct transit_flow {
    struct byte_bucket bucket;
    struct queued_cell *head, **tail;
    struct transit_turn turn;
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
    struct transit_turn root;   /* above all sites */
    struct transit_turn *held;  /* the ring of circuits without own tokens */
    struct keyed_table sources; /* lines and sites that have circuits */
    struct queued_cell *spare;  /* kept for a while after the last use */
    bool starved;               /* cells wait for the bucket over all */
    uint64_t used_at;
    uint64_t deadline;
    struct transit_queue_stats stats;
};

/* `ctx` and `send` are set by the caller afterwards. */
void transit_queue_init(struct transit_queue *q,
                        const struct transit_queue_config *config,
                        const struct random_source *random);
/* All flows have been forgotten. */
void transit_queue_deinit(struct transit_queue *q);
/* New limits; the buckets are full, what waits goes on waiting. */
void transit_queue_configure(struct transit_queue *q,
                             const struct transit_queue_config *config);

/* The flow belongs to `source`, before its first cell; else it has a turn
 * beside the sites. ERR_NO_MEMORY. */
enum error transit_queue_join(struct transit_queue *q,
                              struct transit_flow *flow,
                              const struct endpoint *source);

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
