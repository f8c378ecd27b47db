/* SPDX-License-Identifier: MIT
 *
 * Buckets are the generic cell rate algorithm (GCRA, ITU-T I.371), counted in
 * bytes: a bucket is the time at which it will be full again.
 *
 * A flow with cells is in one of two rings. Those in `turn` are served by
 * deficit round robin; one whose own bucket is empty goes over to `held` until
 * that has filled up. When the bucket over all is empty (`starved`) the turn
 * stops where it is and goes on there.
 */
#include "tunnel/transit/transit_queue.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUANTUM    CELL_MAX /* so that each turn sends a cell */
#define SPARE_LIFE (1 * TIME_S)
#define MOST       (UINT64_C(1) << 34) /* 2^34 s in ns still fit */

struct queued_cell {
    struct queued_cell *next;
    enum transit_way way;
    uint16_t len;
    uint8_t datagram[CELL_MAX];
};

/* ---- Buckets of bytes --------------------------------------------------- */

/* ns that `bytes` take, rounded up so that no rate is exceeded. */
static uint64_t time_of(uint64_t bytes, uint64_t per_second)
{
    uint64_t whole = bytes / per_second, rest = bytes % per_second;

    return whole * TIME_S + (rest * TIME_S + per_second - 1) / per_second;
}

static uint64_t clamp(uint64_t v, uint64_t min)
{
    return v < min ? min : v > MOST ? MOST : v;
}

static struct byte_rate rate_of(uint64_t per_second, uint64_t burst)
{
    struct byte_rate rate = {0};
    uint64_t least;

    if (per_second == 0)
        return rate;
    rate.per_second = clamp(per_second, 1);
    rate.depth = time_of(clamp(burst, TRANSIT_BURST_MIN), rate.per_second);
    /* What is left over, too little for a cell, must fit as well. */
    least = 2 * TRANSIT_QUEUE_PAUSE + time_of(CELL_MAX, rate.per_second);
    if (rate.depth < least)
        rate.depth = least;
    return rate;
}

/* When `len` bytes are there. */
static uint64_t ready_at(const struct byte_bucket *b,
                         const struct byte_rate *rate, size_t len)
{
    uint64_t cost;

    if (rate->per_second == 0)
        return 0;
    cost = time_of(len, rate->per_second);
    return b->full_at + cost > rate->depth ? b->full_at + cost - rate->depth
                                           : 0;
}

static void take(struct byte_bucket *b, const struct byte_rate *rate,
                 size_t len, uint64_t now)
{
    if (rate->per_second == 0)
        return;
    b->full_at = time_after(b->full_at > now ? b->full_at : now,
                            time_of(len, rate->per_second));
}

/* ---- Cells and the ring of flows that wait ------------------------------ */

static struct queued_cell *cell_get(struct transit_queue *q)
{
    struct queued_cell *c = q->spare;

    if (c == NULL)
        return malloc(sizeof(*c));
    q->spare = c->next;
    return c;
}

static void cell_put(struct transit_queue *q, struct queued_cell *c)
{
    c->next = q->spare;
    q->spare = c;
}

static void free_spare(struct transit_queue *q)
{
    struct queued_cell *c;

    while ((c = q->spare) != NULL) {
        q->spare = c->next;
        free(c);
    }
}

/* Last in the ring: just before the one that it begins with. */
static void ring_add(struct transit_flow **ring, struct transit_flow *flow)
{
    struct transit_flow *first = *ring;

    flow->ring = ring;
    if (first == NULL) {
        *ring = flow->next = flow->prev = flow;
        return;
    }
    flow->next = first;
    flow->prev = first->prev;
    first->prev->next = flow;
    first->prev = flow;
}

static void ring_remove(struct transit_queue *q, struct transit_flow *flow)
{
    if (q->turn == flow)
        q->in_turn = false;
    if (*flow->ring == flow)
        *flow->ring = flow->next == flow ? NULL : flow->next;
    flow->prev->next = flow->next;
    flow->next->prev = flow->prev;
    flow->next = flow->prev = NULL;
    flow->ring = NULL;
}

static void push(struct transit_queue *q, struct transit_flow *flow,
                 struct queued_cell *c)
{
    if (flow->count == 0) {
        flow->tail = &flow->head;
        flow->deficit = 0;
        ring_add(&q->turn, flow);
    }
    c->next = NULL;
    *flow->tail = c;
    flow->tail = &c->next;
    flow->count++;
    q->count++;
}

static struct queued_cell *pop(struct transit_queue *q,
                               struct transit_flow *flow)
{
    struct queued_cell *c = flow->head;

    flow->head = c->next;
    flow->count--;
    q->count--;
    if (flow->count == 0)
        ring_remove(q, flow);
    return c;
}

/* ---- Life --------------------------------------------------------------- */

void transit_queue_init(struct transit_queue *q,
                        const struct transit_queue_config *config)
{
    *q = (struct transit_queue){.deadline = TIME_NEVER};
    transit_queue_configure(q, config);
}

void transit_queue_deinit(struct transit_queue *q)
{
    assert(q->count == 0);
    free_spare(q);
}

void transit_queue_configure(struct transit_queue *q,
                             const struct transit_queue_config *config)
{
    q->rate = rate_of(config->bandwidth, config->bandwidth_burst);
    q->circuit_rate = rate_of(config->circuit_bandwidth, config->circuit_burst);
    q->max_cells = config->max_cells;
    q->max_circuit_cells = config->max_circuit_cells;
    q->bucket = (struct byte_bucket){0};
    q->starved = false;
    if (q->count > 0)
        q->deadline = 0;
}

void transit_queue_forget(struct transit_queue *q, struct transit_flow *flow)
{
    while (flow->count > 0)
        cell_put(q, pop(q, flow));
}

/* ---- Cells come --------------------------------------------------------- */

static bool is_limited(const struct transit_queue *q)
{
    return q->rate.per_second != 0 || q->circuit_rate.per_second != 0;
}

/* Nobody waits who would be overtaken, and there are tokens: without limits
 * there always are. */
static bool may_pass(const struct transit_queue *q,
                     const struct transit_flow *flow, size_t len, uint64_t now)
{
    if (flow->count != 0)
        return false;
    return !is_limited(q) ||
           (!q->starved &&
            ready_at(&flow->bucket, &q->circuit_rate, len) <= now &&
            ready_at(&q->bucket, &q->rate, len) <= now);
}

enum transit_offer transit_queue_offer(struct transit_queue *q,
                                       const struct transit_flow *flow,
                                       size_t len, uint64_t now)
{
    unsigned left = q->max_cells > q->count ? q->max_cells - q->count : 0;

    if (may_pass(q, flow, len, now))
        return TRANSIT_PASSES;
    if (flow->count < left && flow->count < q->max_circuit_cells)
        return TRANSIT_WAITS;
    q->stats.dropped++;
    return TRANSIT_DROPPED;
}

static void send_now(struct transit_queue *q, struct transit_flow *flow,
                     enum transit_way way, uint8_t *datagram, size_t len,
                     uint64_t now)
{
    take(&flow->bucket, &q->circuit_rate, len, now);
    take(&q->bucket, &q->rate, len, now);
    q->send(q->ctx, flow, way, datagram, len, now);
}

static void wait(struct transit_queue *q, struct transit_flow *flow,
                 enum transit_way way, const uint8_t *datagram, size_t len,
                 uint64_t now)
{
    struct queued_cell *c = cell_get(q);

    if (c == NULL) {
        q->stats.dropped++;
        return;
    }
    c->way = way;
    c->len = (uint16_t)len;
    memcpy(c->datagram, datagram, len);
    push(q, flow, c);
    q->used_at = now;
    if (flow->count == 1)
        q->deadline =
            time_min(q->deadline, time_after(now, TRANSIT_QUEUE_PAUSE));
    if (ready_at(&q->bucket, &q->rate, len) > now)
        q->starved = true;
}

void transit_queue_put(struct transit_queue *q, struct transit_flow *flow,
                       enum transit_offer offer, enum transit_way way,
                       uint8_t *datagram, size_t len, uint64_t now)
{
    assert(offer != TRANSIT_DROPPED);
    if (offer == TRANSIT_PASSES)
        send_now(q, flow, way, datagram, len, now);
    else
        wait(q, flow, way, datagram, len, now);
}

/* ---- Cells go ----------------------------------------------------------- */

static void send_first(struct transit_queue *q, struct transit_flow *flow,
                       uint64_t now)
{
    struct queued_cell *c = pop(q, flow);

    q->stats.waited++;
    send_now(q, flow, c->way, c->datagram, c->len, now);
    cell_put(q, c);
}

/* One turn. Cells leave together, so that they stay a train. */
static void serve(struct transit_queue *q, struct transit_flow *flow,
                  uint64_t now)
{
    if (!q->in_turn)
        flow->deficit += QUANTUM;
    q->in_turn = true;
    while (flow->count > 0) {
        size_t len = flow->head->len;

        if (ready_at(&flow->bucket, &q->circuit_rate, len) > now) {
            ring_remove(q, flow);
            flow->deficit = 0; /* nothing is saved up meanwhile */
            ring_add(&q->held, flow);
            return;
        }
        if (len > flow->deficit)
            break;
        if (ready_at(&q->bucket, &q->rate, len) > now) {
            q->starved = true; /* the turn goes on when there are tokens */
            return;
        }
        flow->deficit -= (uint32_t)len;
        send_first(q, flow, now);
    }
    q->in_turn = false;
    if (flow->count > 0)
        q->turn = flow->next;
}

/* Those that have tokens again take part; when the next one will. */
static uint64_t release_held(struct transit_queue *q, uint64_t now)
{
    struct transit_flow *flow = q->held, *next, *last;
    uint64_t at, earliest = TIME_NEVER;

    if (flow == NULL)
        return TIME_NEVER;
    last = flow->prev;
    for (;; flow = next) {
        bool done = flow == last;

        next = flow->next;
        at = ready_at(&flow->bucket, &q->circuit_rate, flow->head->len);
        if (at > now) {
            earliest = time_min(earliest, at);
        } else {
            ring_remove(q, flow);
            ring_add(&q->turn, flow);
        }
        if (done)
            return earliest;
    }
}

static void serve_all(struct transit_queue *q, uint64_t now)
{
    uint64_t at;

    release_held(q, now);
    q->starved = false;
    while (q->turn != NULL && !q->starved)
        serve(q, q->turn, now);
    at = release_held(q, now); /* none has tokens: it only looks */
    if (q->starved)
        at = time_min(at, ready_at(&q->bucket, &q->rate, q->turn->head->len));
    if (at < time_after(now, TRANSIT_QUEUE_PAUSE))
        at = time_after(now, TRANSIT_QUEUE_PAUSE);
    q->used_at = now;
    q->deadline = q->count > 0 ? at : time_after(now, SPARE_LIFE);
}

void transit_queue_tick(struct transit_queue *q, uint64_t now)
{
    if (now < q->deadline)
        return;
    if (q->count > 0) {
        serve_all(q, now);
    } else if (time_since(q->used_at, now) < SPARE_LIFE) {
        q->deadline = time_after(q->used_at, SPARE_LIFE);
    } else {
        free_spare(q);
        q->deadline = TIME_NEVER;
    }
}

uint64_t transit_queue_next_deadline(const struct transit_queue *q)
{
    return q->deadline;
}
