/* SPDX-License-Identifier: MIT
 *
 * Buckets are the generic cell rate algorithm (GCRA, ITU-T I.371), counted in
 * bytes: a bucket is the time at which it will be full again.
 *
 * A flow with cells is in one of two rings: its line's, which is served by
 * deficit round robin, or, when its own bucket is empty, `held` until that has
 * filled up. A line is in its site's ring while it has a ring, a site in the
 * queue's. When the bucket over all is empty (`starved`) the turns stop where
 * they are and go on there.
 */
#include "tunnel/transit/transit_queue.h"

#include "base/source.h"
#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUANTUM    CELL_MAX /* so that each turn sends a cell */
#define SITE_LINES 4        /* that a site has turns for, at most */
#define GROUP_PART 4        /* cells of a line that wait, to places left */
#define SPARE_LIFE (1 * TIME_S)
#define MOST       (UINT64_C(1) << 34) /* 2^34 s in ns still fit */

/* A line or a site that circuits came from. */
struct transit_source {
    struct keyed_entry entry;
    struct transit_turn turn;
    uint8_t key[sizeof(struct endpoint) + 1]; /* the prefix, and the level */
    unsigned users; /* circuits of a line, lines of a site */
};

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
static void ring_add(struct transit_turn **ring, struct transit_turn *t)
{
    struct transit_turn *first = *ring;

    t->ring = ring;
    if (first == NULL) {
        *ring = t->next = t->prev = t;
        return;
    }
    t->next = first;
    t->prev = first->prev;
    first->prev->next = t;
    first->prev = t;
}

static void ring_remove(struct transit_turn *t)
{
    assert(t->ring != NULL);
    if (*t->ring == t)
        *t->ring = t->next == t ? NULL : t->next;
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->next = t->prev = NULL;
    t->ring = NULL;
}

/* It takes part in turns, as do those above it. Nothing is saved up before. */
static void enter(struct transit_turn *t)
{
    for (; t->above != NULL && t->ring == NULL; t = t->above) {
        t->deficit = 0;
        t->in_turn = false;
        ring_add(&t->above->turn, t);
        t->above->members++;
    }
}

/* Nor do those above it when it was the last. */
static void leave(struct transit_turn *t)
{
    do {
        ring_remove(t);
        t = t->above;
        assert(t != NULL);
        t->members--;
    } while (t->above != NULL && t->turn == NULL);
}

static struct transit_flow *flow_of(struct transit_turn *t)
{
    size_t offset = offsetof(struct transit_flow, turn);

    return (struct transit_flow *)(void *)((uint8_t *)t - offset);
}

static bool is_held(const struct transit_queue *q,
                    const struct transit_flow *flow)
{
    return flow->turn.ring == &q->held;
}

static void push(struct transit_queue *q, struct transit_flow *flow,
                 struct queued_cell *c)
{
    if (flow->turn.above == NULL)
        flow->turn.above = &q->root;
    if (flow->turn.count == 0) {
        flow->tail = &flow->head;
        enter(&flow->turn);
    }
    c->next = NULL;
    *flow->tail = c;
    flow->tail = &c->next;
    for (struct transit_turn *t = &flow->turn; t != NULL; t = t->above)
        t->count++;
}

static struct queued_cell *pop(struct transit_queue *q,
                               struct transit_flow *flow)
{
    struct queued_cell *c = flow->head;

    flow->head = c->next;
    for (struct transit_turn *t = &flow->turn; t != NULL; t = t->above)
        t->count--;
    if (flow->turn.count == 0) {
        if (is_held(q, flow))
            ring_remove(&flow->turn);
        else
            leave(&flow->turn);
    }
    return c;
}

/* ---- Lines and sites ---------------------------------------------------- */

static struct transit_source *source_of_entry(struct keyed_entry *e)
{
    return (struct transit_source *)(void *)e;
}

static struct transit_source *source_of_turn(struct transit_turn *t)
{
    size_t offset = offsetof(struct transit_source, turn);

    return (struct transit_source *)(void *)((uint8_t *)t - offset);
}

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct transit_source *s =
        (const struct transit_source *)(const void *)e;

    return bytes_of(s->key, sizeof(s->key));
}

/* That of `ep` at a level, with one user more; NULL: no memory. */
static struct transit_source *get_source(struct transit_queue *q,
                                         const struct endpoint *ep,
                                         enum source_level level)
{
    struct endpoint prefix = source_of(ep, level);
    uint8_t key[sizeof(struct endpoint) + 1] = {0};
    struct keyed_entry *found;
    struct transit_source *s;

    memcpy(key, prefix.addr, sizeof(prefix.addr));
    key[sizeof(prefix.addr)] = prefix.family;
    key[sizeof(key) - 1] = (uint8_t)level;
    found = keyed_table_find(&q->sources, bytes_of(key, sizeof(key)));
    if (found != NULL) {
        source_of_entry(found)->users++;
        return source_of_entry(found);
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    memcpy(s->key, key, sizeof(key));
    s->users = 1;
    if (keyed_table_add(&q->sources, &s->entry) != OK) {
        free(s);
        return NULL;
    }
    return s;
}

static void put_source(struct transit_queue *q, struct transit_source *s)
{
    struct transit_turn *above = s->turn.above;

    if (--s->users > 0)
        return;
    keyed_table_remove(&q->sources, &s->entry);
    free(s);
    if (above != NULL && above != &q->root)
        put_source(q, source_of_turn(above));
}

enum error transit_queue_join(struct transit_queue *q,
                              struct transit_flow *flow,
                              const struct endpoint *source)
{
    bool global = source_counts(source, SOURCE_SITE);
    struct transit_source *site;
    struct transit_source *line =
        get_source(q, source, global ? SOURCE_LINE : SOURCE_HOST);

    if (line == NULL)
        return ERR_NO_MEMORY;
    if (line->users == 1 && global) {
        site = get_source(q, source, SOURCE_SITE);
        if (site == NULL) {
            put_source(q, line);
            return ERR_NO_MEMORY;
        }
        line->turn.above = &site->turn;
        site->turn.above = &q->root;
    } else if (line->users == 1) {
        line->turn.above = &q->root;
    }
    flow->turn.above = &line->turn;
    return OK;
}

/* ---- Life --------------------------------------------------------------- */

void transit_queue_init(struct transit_queue *q,
                        const struct transit_queue_config *config,
                        const struct random_source *random)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    *q = (struct transit_queue){.deadline = TIME_NEVER};
    random->fill(random->ctx, secret, sizeof(secret));
    keyed_table_init(&q->sources, SIZE_MAX, key_of, secret);
    transit_queue_configure(q, config);
}

void transit_queue_deinit(struct transit_queue *q)
{
    assert(q->root.count == 0 && q->sources.count == 0);
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
    if (q->root.count > 0)
        q->deadline = 0;
}

void transit_queue_forget(struct transit_queue *q, struct transit_flow *flow)
{
    struct transit_turn *above = flow->turn.above;

    while (flow->turn.count > 0)
        cell_put(q, pop(q, flow));
    if (above != NULL && above != &q->root)
        put_source(q, source_of_turn(above));
    flow->turn.above = NULL;
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
    if (flow->turn.count != 0)
        return false;
    return !is_limited(q) ||
           (!q->starved &&
            ready_at(&flow->bucket, &q->circuit_rate, len) <= now &&
            ready_at(&q->bucket, &q->rate, len) <= now);
}

/* A place for one more, of as many as it and those above it may have. */
static bool may_wait(const struct transit_queue *q,
                     const struct transit_flow *flow)
{
    uint64_t left = q->max_cells > q->root.count ? q->max_cells - q->root.count
                                                 : 0;

    if (flow->turn.count >= left || flow->turn.count >= q->max_circuit_cells)
        return false;
    for (const struct transit_turn *t = flow->turn.above;
         t != NULL && t != &q->root; t = t->above) {
        if (t->count >= GROUP_PART * left)
            return false;
    }
    return true;
}

enum transit_offer transit_queue_offer(struct transit_queue *q,
                                       const struct transit_flow *flow,
                                       size_t len, uint64_t now)
{
    if (may_pass(q, flow, len, now))
        return TRANSIT_PASSES;
    if (may_wait(q, flow))
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
    if (flow->turn.count == 1)
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

/* What a turn is worth. */
static uint32_t quantum_of(const struct transit_turn *t)
{
    uint32_t lines = t->members < SITE_LINES ? t->members : SITE_LINES;
    bool is_site = t->turn != NULL && t->turn->turn != NULL;

    return is_site ? QUANTUM * lines : QUANTUM;
}

/* Whose turn it is; those above it whose turn has just come begin it. */
static struct transit_flow *next_flow(struct transit_queue *q)
{
    struct transit_turn *t = &q->root;

    while (t->turn != NULL) {
        t = t->turn;
        if (!t->in_turn)
            t->deficit += quantum_of(t);
        t->in_turn = true;
    }
    return flow_of(t);
}

/* Of those whose turn it is, one that has not enough left for `len` bytes. */
static struct transit_turn *used_up(struct transit_turn *t, size_t len)
{
    while (t->above != NULL && t->deficit >= len)
        t = t->above;
    return t->above != NULL ? t : NULL;
}

/* A cell leaves, or a turn ends. The cells of a turn leave together, so that
 * they stay a train. */
static void serve(struct transit_queue *q, uint64_t now)
{
    struct transit_flow *flow = next_flow(q);
    size_t len = flow->head->len;
    struct transit_turn *done;

    if (ready_at(&flow->bucket, &q->circuit_rate, len) > now) {
        leave(&flow->turn);
        ring_add(&q->held, &flow->turn);
        return;
    }
    done = used_up(&flow->turn, len);
    if (done != NULL) {
        done->in_turn = false;
        done->above->turn = done->next;
        return;
    }
    if (ready_at(&q->bucket, &q->rate, len) > now) {
        q->starved = true; /* the turn goes on when there are tokens */
        return;
    }
    for (struct transit_turn *t = &flow->turn; t->above != NULL; t = t->above)
        t->deficit -= (uint32_t)len;
    send_first(q, flow, now);
}

/* Those that have tokens again take part; when the next one will. */
static uint64_t release_held(struct transit_queue *q, uint64_t now)
{
    struct transit_turn *t = q->held, *next, *last;
    uint64_t at, earliest = TIME_NEVER;

    if (t == NULL)
        return TIME_NEVER;
    last = t->prev;
    for (;; t = next) {
        struct transit_flow *flow = flow_of(t);
        bool done = t == last;

        next = t->next;
        at = ready_at(&flow->bucket, &q->circuit_rate, flow->head->len);
        if (at > now) {
            earliest = time_min(earliest, at);
        } else {
            ring_remove(t);
            enter(t);
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
    while (q->root.turn != NULL && !q->starved)
        serve(q, now);
    at = release_held(q, now); /* none has tokens: it only looks */
    if (q->starved)
        at = time_min(at,
                      ready_at(&q->bucket, &q->rate, next_flow(q)->head->len));
    if (at < time_after(now, TRANSIT_QUEUE_PAUSE))
        at = time_after(now, TRANSIT_QUEUE_PAUSE);
    q->used_at = now;
    q->deadline = q->root.count > 0 ? at : time_after(now, SPARE_LIFE);
}

void transit_queue_tick(struct transit_queue *q, uint64_t now)
{
    if (now < q->deadline)
        return;
    if (q->root.count > 0) {
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
