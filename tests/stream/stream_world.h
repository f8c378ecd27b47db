/* SPDX-License-Identifier: MIT
 *
 * Two nodes with streams, and paths between them that lose, double, delay and
 * overtake packets, have a rate and a queue, and can be cut: in virtual time,
 * all from one seed. On top of them flows: what one end of a stream writes and
 * expects to read, each byte known from its place.
 */
#ifndef WARREN_TESTS_STREAM_WORLD_H
#define WARREN_TESTS_STREAM_WORLD_H

#include "base/timestamp.h"
#include "stream/stream.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WORLD_START  (1000 * TIME_S)
#define WORLD_PATHS  64
#define WORLD_FLOWS  4096
#define WORLD_FLIGHT 16384 /* packets on their way */

enum { OPENER, ACCEPTOR };

struct world_path {
    bool cut;
    uint64_t delay, jitter;
    uint64_t rate;        /* bytes per second; 0: no limit */
    uint64_t queue;       /* ns of sending that may wait; 0: no limit */
    unsigned loss, twice; /* in 10,000 */
    unsigned late;        /* by up to 100 ms */
    uint64_t busy_until[2];
};

struct world_packet {
    uint64_t at, number; /* those of one time come in order */
    uint64_t path;
    bool to_acceptor;
    unsigned to; /* side */
    size_t len;
    uint8_t bytes[STREAM_PACKET_MAX];
};

struct world;

struct flow {
    struct world *w;
    struct stream *st;       /* NULL: closed */
    uint64_t seed;           /* of what it writes */
    uint64_t seed_in;        /* of what it reads; 0: anything */
    uint64_t out_total, out; /* to write, written */
    bool finish;             /* when all is written */
    bool echo;               /* writes what it reads */
    size_t takes;            /* of each call at most */
    uint64_t in, taken_calls, first_at, fin_at;
    bool fin, wrong;
    unsigned resets, stops, closed, writables;
    uint32_t code;
};

struct world_side {
    struct world *w;
    unsigned index;
    struct streams *s;
    unsigned over, moved, accepted, openable;
    enum stream_end why;
    uint32_t code;
    struct stream_conn *conn; /* the last one; NULL when it is over */
};

struct world {
    struct world_side side[2];
    struct world_path paths[WORLD_PATHS];
    struct test_random random;
    struct world_packet *flight[WORLD_FLIGHT];
    struct world_packet *spare;
    size_t in_flight, packets, bytes, spares;
    struct world_packet *spare_list[WORLD_FLIGHT];
    uint64_t now, digest;
    uint64_t ahead; /* by which a holder's clock may be */
    struct flow *flows[WORLD_FLOWS];
    size_t flow_count;
    bool refuse;
    uint64_t crowd;          /* paths up to this one have one source */
    struct flow like;        /* what flows of the acceptor are made of */
    struct flow *ready_flow; /* for the next one, made beforehand */
    /* Called last in handlers. */
    void (*meddle)(struct world *w, struct flow *f, const char *where);
    void (*meddle_conn)(struct world *w, struct world_side *side,
                        struct stream_conn *c, const char *where);
    /* Sees each packet; false: it is lost. */
    bool (*tap)(struct world *w, struct world_packet *p);
};

/* ---- Bytes -------------------------------------------------------------- */

static inline uint8_t flow_byte(uint64_t seed, uint64_t at)
{
    uint64_t x = (at >> 3) * UINT64_C(0x9e3779b97f4a7c15) + seed;

    return (uint8_t)((x ^ (x >> 29)) >> (8 * (at & 7)));
}

static inline void flow_fill(uint64_t seed, uint64_t at, uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = flow_byte(seed, at + i);
}

/* ---- Flows -------------------------------------------------------------- */

static inline struct flow *flow_new(struct world *w)
{
    struct flow *f = w->ready_flow;

    w->ready_flow = NULL;
    if (f == NULL)
        f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_true(w->flow_count < WORLD_FLOWS);
    f->w = w;
    f->takes = SIZE_MAX;
    w->flows[w->flow_count++] = f;
    return f;
}

static inline void flow_pump(struct flow *f)
{
    uint8_t piece[16384];

    while (f->st != NULL && f->out < f->out_total) {
        size_t len = sizeof(piece), n;

        if (len > f->out_total - f->out)
            len = (size_t)(f->out_total - f->out);
        flow_fill(f->seed, f->out, piece, len);
        n = stream_write(f->st, bytes_of(piece, len), f->w->now);
        f->out += n;
        if (n < len)
            return;
    }
    if (f->st != NULL && f->finish && f->out == f->out_total)
        stream_finish(f->st, f->w->now);
}

static inline void flow_check(struct flow *f, struct bytes data)
{
    for (size_t i = 0; f->seed_in != 0 && i < data.len; i++) {
        if (data.p[i] != flow_byte(f->seed_in, f->in + i))
            f->wrong = true;
    }
}

static inline void world_meddle(struct flow *f, const char *where)
{
    if (f->w->meddle != NULL)
        f->w->meddle(f->w, f, where);
}

static inline size_t flow_data(void *arg, struct stream *st, struct bytes data,
                               bool fin, uint64_t now)
{
    struct flow *f = arg;
    size_t n = data.len < f->takes ? data.len : f->takes;

    f->taken_calls++;
    if (f->first_at == 0)
        f->first_at = now;
    if (f->echo)
        n = stream_write(st, bytes_of(data.p, n), now);
    flow_check(f, bytes_of(data.p, n));
    f->in += n;
    if (fin && n == data.len) {
        f->fin = true;
        f->fin_at = now;
        if (f->echo)
            stream_finish(st, now);
    }
    world_meddle(f, "data");
    return n;
}

static inline void flow_writable(void *arg, struct stream *st, uint64_t now)
{
    struct flow *f = arg;

    f->writables++;
    if (f->echo)
        stream_resume(st, now);
    else
        flow_pump(f);
    world_meddle(f, "writable");
}

static inline void flow_reset(void *arg, struct stream *st, bool reading,
                              uint32_t code, uint64_t now)
{
    struct flow *f = arg;

    (void)st, (void)now;
    f->resets += !reading;
    f->stops += reading;
    f->code = code;
    world_meddle(f, "reset");
}

static inline void flow_closed(void *arg, struct stream *st, uint64_t now)
{
    struct flow *f = arg;

    (void)now;
    assert_ptr_equal(f->st, st);
    f->closed++;
    world_meddle(f, "closed");
    f->st = NULL;
}

static inline void flow_opened(void *holder, struct stream *st, uint64_t now)
{
    struct world_side *side = holder;
    struct world *w = side->w;
    struct flow *f = flow_new(w);

    (void)now;
    *f = w->like;
    f->w = w;
    f->st = st;
    stream_hand_over(st, NULL, f);
    world_meddle(f, "opened");
    flow_pump(f);
}

static inline void side_openable(void *holder, struct stream_conn *c,
                                 uint64_t now)
{
    struct world_side *side = holder;

    (void)now;
    side->openable++;
    if (side->w->meddle_conn != NULL)
        side->w->meddle_conn(side->w, side, c, "openable");
}

static inline void side_moved(void *holder, struct stream_conn *c,
                              uint64_t path, uint64_t now)
{
    struct world_side *side = holder;

    (void)now;
    assert_int_equal(stream_conn_path(c), path);
    side->moved++;
    if (side->w->meddle_conn != NULL)
        side->w->meddle_conn(side->w, side, c, "moved");
}

static inline void side_over(void *holder, struct stream_conn *c,
                             enum stream_end why, uint32_t code, uint64_t now)
{
    struct world_side *side = holder;

    (void)now;
    side->over++;
    side->why = why;
    side->code = code;
    if (side->conn == c)
        side->conn = NULL;
    if (side->w->meddle_conn != NULL)
        side->w->meddle_conn(side->w, side, c, "over");
}

static const struct stream_handler world_handler = {
    .opened = flow_opened,
    .data = flow_data,
    .writable = flow_writable,
    .reset = flow_reset,
    .closed = flow_closed,
    .openable = side_openable,
    .moved = side_moved,
    .over = side_over,
};

/* ---- Packets ------------------------------------------------------------ */

static inline struct world_packet *packet_new(struct world *w)
{
    struct world_packet *p;

    if (w->spares > 0)
        return w->spare_list[--w->spares];
    p = malloc(sizeof(*p));
    assert_non_null(p);
    return p;
}

static inline bool packet_before(const struct world_packet *a,
                                 const struct world_packet *b)
{
    return a->at < b->at || (a->at == b->at && a->number < b->number);
}

static inline void packet_push(struct world *w, struct world_packet *p)
{
    size_t i = w->in_flight++;

    assert_true(i < WORLD_FLIGHT);
    p->number = w->packets++;
    for (; i > 0 && packet_before(p, w->flight[(i - 1) / 2]); i = (i - 1) / 2)
        w->flight[i] = w->flight[(i - 1) / 2];
    w->flight[i] = p;
}

static inline struct world_packet *packet_pop(struct world *w)
{
    struct world_packet *first = w->flight[0];
    struct world_packet *last = w->flight[--w->in_flight];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < w->in_flight) {
        if (child + 1 < w->in_flight &&
            packet_before(w->flight[child + 1], w->flight[child]))
            child++;
        if (!packet_before(w->flight[child], last))
            break;
        w->flight[i] = w->flight[child];
        i = child;
    }
    w->flight[i] = last;
    return first;
}

static inline bool one_in(struct world *w, unsigned of_10000)
{
    return of_10000 > 0 && test_random_below(&w->random, 10000) < of_10000;
}

/* When it arrives; 0: the queue is full. */
static inline uint64_t path_arrival(struct world *w, struct world_path *path,
                                    unsigned from, size_t len)
{
    uint64_t begin = w->now;

    if (path->rate > 0) {
        if (path->busy_until[from] > begin)
            begin = path->busy_until[from];
        if (path->queue > 0 && begin - w->now > path->queue)
            return 0;
        begin += len * TIME_S / path->rate;
        path->busy_until[from] = begin;
    }
    if (path->jitter > 0)
        begin += test_random_below(&w->random, (uint32_t)path->jitter);
    if (one_in(w, path->late))
        begin += test_random_below(&w->random, 100 * TIME_MS);
    return begin + path->delay;
}

static inline void world_put(struct world *w, unsigned from, uint64_t path,
                             bool to_acceptor, struct bytes bytes)
{
    struct world_packet *p;
    uint64_t at = path_arrival(w, &w->paths[path], from, bytes.len);

    if (at == 0 || w->paths[path].cut || one_in(w, w->paths[path].loss))
        return;
    p = packet_new(w);
    p->at = at;
    p->path = path;
    p->to_acceptor = to_acceptor;
    p->to = !from;
    p->len = bytes.len;
    memcpy(p->bytes, bytes.p, bytes.len);
    packet_push(w, p);
}

static inline void side_send(void *ctx, uint64_t path, bool to_acceptor,
                             struct bytes packet, uint64_t now)
{
    struct world_side *side = ctx;
    struct world *w = side->w;

    assert_true(path > 0 && path < WORLD_PATHS);
    assert_in_range(now, w->now, w->now + w->ahead);
    assert_true(packet.len > 0 && packet.len <= STREAM_PACKET_MAX);
    w->bytes += packet.len;
    w->digest = w->digest * 31 + packet.len + packet.p[packet.len - 1] + now;
    world_put(w, side->index, path, to_acceptor, packet);
    if (one_in(w, w->paths[path].twice))
        world_put(w, side->index, path, to_acceptor, packet);
}

static inline void side_random(void *ctx, void *buf, size_t len)
{
    struct world_side *side = ctx;

    test_random_fill(&side->w->random, buf, len);
}

static inline const struct stream_handler *
side_accept(void *ctx, struct stream_conn *c, uint64_t path, void **holder)
{
    struct world_side *side = ctx;

    assert_int_equal(stream_conn_path(c), path);
    if (side->w->refuse)
        return NULL;
    side->accepted++;
    side->conn = c;
    *holder = side;
    if (side->w->meddle_conn != NULL)
        side->w->meddle_conn(side->w, side, c, "accept");
    return &world_handler;
}

/* ---- The world ---------------------------------------------------------- */

static inline struct world *world_of(uint64_t seed,
                                     const struct stream_config *opener,
                                     const struct stream_config *acceptor)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->random = test_seed(seed);
    w->now = WORLD_START;
    w->like.takes = SIZE_MAX;
    for (size_t i = 0; i < WORLD_PATHS; i++)
        w->paths[i].delay = 25 * TIME_MS;
    for (unsigned i = 0; i < 2; i++) {
        struct world_side *side = &w->side[i];
        const struct stream_env env = {
            side, {side, side_random}, side_send, side_accept};

        *side = (struct world_side){.w = w, .index = i};
        assert_int_equal(
            streams_new(i == OPENER ? opener : acceptor, &env, &side->s), OK);
    }
    return w;
}

static inline struct world *world_new(uint64_t seed,
                                      const struct stream_config *config)
{
    return world_of(seed, config, config);
}

static inline void world_free(struct world *w)
{
    for (unsigned i = 0; i < 2; i++)
        streams_free(w->side[i].s);
    for (size_t i = 0; i < w->flow_count; i++)
        free(w->flows[i]);
    while (w->in_flight > 0)
        free(packet_pop(w));
    while (w->spares > 0)
        free(w->spare_list[--w->spares]);
    free(w);
}

static inline struct endpoint world_source(const struct world *w, uint64_t path)
{
    struct endpoint ep = {.addr = {8, 8, 8, 8}, .port = 1};

    if (path > w->crowd) {
        ep.addr[0] = (uint8_t)(20 + path);
        ep.addr[1] = (uint8_t)path;
    }
    return ep;
}

static inline void world_deliver(struct world *w, struct world_packet *p)
{
    const struct endpoint source = world_source(w, p->path);

    if (!w->paths[p->path].cut && (w->tap == NULL || w->tap(w, p)))
        streams_receive(w->side[p->to].s, p->path, p->to_acceptor,
                        p->to_acceptor ? &source : NULL, p->bytes, p->len,
                        w->now);
    w->spare_list[w->spares++] = p;
}

static inline uint64_t world_next(const struct world *w)
{
    uint64_t at = w->in_flight > 0 ? w->flight[0]->at : TIME_NEVER;

    for (unsigned i = 0; i < 2; i++)
        at = time_min(at, streams_next_deadline(w->side[i].s));
    return at;
}

static inline void world_step(struct world *w)
{
    if (w->in_flight > 0 && w->flight[0]->at <= w->now) {
        world_deliver(w, packet_pop(w));
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (streams_next_deadline(w->side[i].s) <= w->now)
            streams_tick(w->side[i].s, w->now);
    }
}

/* The next thing that happens. */
static inline void world_step_on(struct world *w)
{
    uint64_t at = world_next(w);

    assert_true(at != TIME_NEVER);
    if (at > w->now)
        w->now = at;
    world_step(w);
}

static inline void world_run(struct world *w, uint64_t time)
{
    uint64_t end = w->now + time, at;
    unsigned still = 0; /* steps without time going on */

    while ((at = world_next(w)) <= end) {
        still = at > w->now ? 0 : still + 1;
        assert_true(still < 100000);
        if (at > w->now)
            w->now = at;
        world_step(w);
    }
    w->now = end;
}

/* Until this is true; fails after `max`. */
static inline bool world_until(struct world *w, const bool *done, uint64_t max)
{
    uint64_t end = w->now + max;

    while (!*done && w->now < end) {
        uint64_t at = time_min(world_next(w), end);

        if (at > w->now)
            w->now = at;
        world_step(w);
    }
    return *done;
}

static inline struct stream_conn *world_connect(struct world *w, uint64_t path)
{
    struct world_side *side = &w->side[OPENER];

    assert_int_equal(stream_connect(side->s, path, 2 * w->paths[path].delay,
                                    &world_handler, side, w->now, &side->conn),
                     OK);
    return side->conn;
}

/* A flow of the opener that writes so much, and ends. */
static inline struct flow *world_flow(struct world *w, struct stream_conn *c,
                                      uint64_t total)
{
    struct flow *f = flow_new(w);

    f->seed = 7 + w->flow_count;
    f->out_total = total;
    f->finish = true;
    assert_int_equal(stream_open(c, f, w->now, &f->st), OK);
    flow_pump(f);
    return f;
}

#endif
