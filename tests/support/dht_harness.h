/* SPDX-License-Identifier: MIT
 *
 * One DHT engine among scripted peers: what it sends is caught and decoded,
 * random bytes are predictable, time stands until a test moves it.
 */
#ifndef WARREN_TESTS_DHT_HARNESS_H
#define WARREN_TESTS_DHT_HARNESS_H

#include "dht_data.h"

#include "dht/dht.h"
#include "wire/krpc/dht_message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HARNESS_SENT   4096
#define HARNESS_EVENTS 4096

/* A datagram of the engine's; `m` points into `bytes`. */
struct sent {
    struct endpoint to;
    size_t len;
    uint8_t bytes[DHT_PUT_MAX];
    struct dht_message m;
};

struct harness {
    struct dht *d;
    struct dht_config config;
    uint64_t now;
    struct test_random random;
    size_t sent_count, taken; /* caught; given out by harness_next */
    struct sent *sent[HARNESS_SENT];
    size_t event_count;
    struct dht_event events[HARNESS_EVENTS];
};

static inline void harness_send(void *ctx, const struct endpoint *to,
                                struct bytes datagram)
{
    struct harness *h = ctx;
    struct sent *s = malloc(sizeof(*s));

    assert_non_null(s);
    assert_true(h->sent_count < HARNESS_SENT);
    assert_true(datagram.len <= sizeof(s->bytes));
    s->to = *to;
    s->len = datagram.len;
    memcpy(s->bytes, datagram.p, datagram.len);
    assert_int_equal(
        dht_message_read(h->config.dialect, bytes_of(s->bytes, s->len), &s->m),
        OK);
    h->sent[h->sent_count++] = s;
}

static inline void harness_random(void *ctx, void *buf, size_t len)
{
    struct harness *h = ctx;

    test_random_fill(&h->random, buf, len);
}

static inline void harness_event(void *ctx, const struct dht_event *event)
{
    struct harness *h = ctx;

    assert_true(h->event_count < HARNESS_EVENTS);
    h->events[h->event_count++] = *event;
}

/* A configuration for tests: a testing network with a fixed id, IPv4 only,
 * until a test changes it. */
static inline void harness_init(struct harness *h)
{
    *h = (struct harness){.now = 1000 * TIME_S, .random = {42}};
    dht_config_init(&h->config);
    h->config.family[FAMILY_IPV6] = false;
    h->config.testing_network = true;
    h->config.has_id[FAMILY_IPV4] = true;
    h->config.id[FAMILY_IPV4] = test_id("00112233");
    h->config.has_id[FAMILY_IPV6] = true;
    h->config.id[FAMILY_IPV6] = test_id("66112233");
}

static inline void harness_start(struct harness *h)
{
    const struct dht_env env = {h, harness_send, harness_random, harness_event};

    assert_int_equal(dht_new(&h->config, &env, h->now, &h->d), OK);
}

static inline void harness_end(struct harness *h)
{
    dht_free(h->d);
    for (size_t i = 0; i < h->sent_count; i++)
        free(h->sent[i]);
}

/* The next datagram not looked at yet, or NULL. */
static inline struct sent *harness_next(struct harness *h)
{
    return h->taken < h->sent_count ? h->sent[h->taken++] : NULL;
}

static inline void harness_forget(struct harness *h)
{
    h->taken = h->sent_count;
}

/* Forgets them for good: for tests that make the engine send a lot. What
 * harness_next gave is gone. */
static inline void harness_drop(struct harness *h)
{
    for (size_t i = 0; i < h->sent_count; i++)
        free(h->sent[i]);
    h->sent_count = h->taken = 0;
}

static inline size_t harness_waiting(const struct harness *h)
{
    return h->sent_count - h->taken;
}

static inline size_t harness_events(const struct harness *h,
                                    enum dht_event_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < h->event_count; i++)
        n += h->events[i].kind == kind;
    return n;
}

/* Lets time pass up to `until`, with a tick at each deadline on the way. */
static inline void harness_run(struct harness *h, uint64_t until)
{
    unsigned ticks = 0;

    while (dht_next_deadline(h->d) <= until) {
        uint64_t at = dht_next_deadline(h->d);

        if (at > h->now)
            h->now = at;
        dht_tick(h->d, h->now);
        assert_true(++ticks < 100000);
    }
    h->now = until;
}

static inline enum error harness_give_bytes(struct harness *h,
                                            const struct endpoint *from,
                                            struct bytes datagram)
{
    uint8_t *copy = test_exact_copy(datagram);
    enum error err =
        dht_receive(h->d, from, bytes_of(copy, datagram.len), h->now);

    free(copy);
    return err;
}

static inline enum error harness_give(struct harness *h,
                                      const struct endpoint *from,
                                      const struct dht_message *m)
{
    uint8_t buf[2 * DHT_MESSAGE_MAX];
    size_t len;

    assert_int_equal(
        dht_message_write(h->config.dialect, m, buf, sizeof(buf), &len), OK);
    return harness_give_bytes(h, from, bytes_of(buf, len));
}

/* ---- Queries of peers ---------------------------------------------------- */

/* A query as `id` would send it; change it before giving it. */
static inline void harness_query(struct dht_message *m, enum dht_method method,
                                 const struct id *id, const struct id *target)
{
    dht_message_init(m, DHT_QUERY);
    m->method = method;
    m->transaction = TEST_BYTES("tx");
    m->id = *id;
    m->has |= DHT_HAS_ID;
    if (target != NULL) {
        m->target = *target;
        m->has |= DHT_HAS_TARGET;
    }
}

/* Makes it as long as ours are, so that all of an answer may come. */
static inline void harness_pad(struct dht_message *m)
{
    static const uint8_t zeros[400];

    m->padding = bytes_of(zeros, sizeof(zeros));
}

/* Gives the query and returns its answer, which goes to `from` and has its
 * transaction; NULL when there is none. */
static inline struct sent *harness_ask(struct harness *h,
                                       const struct endpoint *from,
                                       const struct dht_message *m)
{
    struct sent *s;

    harness_forget(h);
    harness_give(h, from, m);
    for (s = harness_next(h); s != NULL; s = harness_next(h)) {
        if (s->m.kind != DHT_QUERY)
            break;
    }
    if (s != NULL) {
        assert_true(endpoint_equal(&s->to, from));
        assert_true(bytes_equal(s->m.transaction, m->transaction));
    }
    return s;
}

/* ---- Answers of peers ---------------------------------------------------- */

/* The answer of `id` to a query that was caught; change it before giving. */
static inline void harness_answer(struct dht_message *m, const struct sent *s,
                                  const struct id *id)
{
    dht_message_init(m, DHT_RESPONSE);
    m->transaction = s->m.transaction;
    m->id = *id;
    m->has |= DHT_HAS_ID;
}

/* Makes the engine's table know a node: it asks, is pinged by hand, answers. */
static inline void harness_befriend(struct harness *h,
                                    const struct endpoint *ep,
                                    const struct id *id)
{
    struct dht_message m;
    struct sent *s;

    harness_forget(h);
    assert_int_equal(dht_ping(h->d, ep, NULL, h->now, NULL), OK);
    s = harness_next(h);
    assert_non_null(s);
    harness_answer(&m, s, id);
    assert_int_equal(harness_give(h, ep, &m), OK);
    harness_forget(h);
}

/* ---- A scripted network -------------------------------------------------- */

struct peer {
    struct id id;
    struct endpoint ep;
    bool silent;
    unsigned asked;
};

struct peers {
    size_t count;
    struct peer peer[256];
};

/* 127.1.x.y, ids at random. */
static inline void peers_make(struct peers *p, size_t n, struct test_random *r)
{
    p->count = n;
    for (size_t i = 0; i < n; i++) {
        p->peer[i] = (struct peer){
            .id = test_random_id(r),
            .ep = test_ep4(127, 1, (uint8_t)(i / 200), (uint8_t)(i % 200 + 1),
                           4000),
        };
    }
}

static inline struct peer *peers_at(struct peers *p, const struct endpoint *ep)
{
    for (size_t i = 0; i < p->count; i++) {
        if (endpoint_equal(&p->peer[i].ep, ep))
            return &p->peer[i];
    }
    return NULL;
}

/* The `n` nearest to `target` among all that are not silent, nearest first. */
static inline size_t peers_closest(const struct peers *p,
                                   const struct id *target,
                                   const struct peer **out, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < p->count; i++) {
        size_t at;

        if (p->peer[i].silent)
            continue;
        at = found < n ? found++ : n;
        while (at > 0 && id_compare_distance(target, &p->peer[i].id,
                                             &out[at - 1]->id) < 0) {
            if (at < n)
                out[at] = out[at - 1];
            at--;
        }
        if (at < n)
            out[at] = &p->peer[i];
    }
    return found;
}

/* Compact nodes of the `n` nearest into `buf`. */
static inline struct bytes peers_nodes(const struct peers *p,
                                       const struct id *target, size_t n,
                                       uint8_t *buf)
{
    const struct peer *near[DHT_NODES_MAX];
    size_t len = 0;

    n = peers_closest(p, target, near, n);
    for (size_t i = 0; i < n; i++) {
        memcpy(buf + len, near[i]->id.b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&near[i]->ep, buf + len);
    }
    return bytes_of(buf, len);
}

/* Answers a caught query as an honest peer that knows everybody would. False
 * when nobody, or a silent peer, was asked. */
static inline bool peers_answer(struct peers *p, struct harness *h,
                                const struct sent *s)
{
    struct peer *peer = peers_at(p, &s->to);
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
    struct dht_message m;

    if (s->m.kind != DHT_QUERY || peer == NULL)
        return false;
    peer->asked++;
    if (peer->silent)
        return false;
    harness_answer(&m, s, &peer->id);
    if (s->m.has & DHT_HAS_TARGET) {
        m.nodes = peers_nodes(p, &s->m.target, DHT_K, nodes);
        m.has |= DHT_HAS_NODES;
    }
    if (s->m.method == DHT_GET_PEERS || s->m.method == DHT_GET) {
        m.token = TEST_BYTES("tokentok");
        m.has |= DHT_HAS_TOKEN;
    }
    harness_give(h, &s->to, &m);
    return true;
}

/* Lets the engine and the peers talk for `duration`, each answer taking
 * `rtt`. */
static inline void peers_run(struct peers *p, struct harness *h,
                             uint64_t duration, uint64_t rtt)
{
    uint64_t end = h->now + duration;

    for (;;) {
        size_t until = h->sent_count;

        if (h->taken == until) {
            uint64_t next = dht_next_deadline(h->d);

            if (next > end)
                break;
            harness_run(h, next > h->now ? next : h->now);
            continue;
        }
        harness_run(h, h->now + rtt);
        while (h->taken < until)
            peers_answer(p, h, h->sent[h->taken++]);
    }
    if (h->now < end)
        h->now = end;
}

/* ---- Requests ------------------------------------------------------------ */

#define WITNESS_MAX 512

/* A handler that remembers what it was told. */
struct witness {
    unsigned done;
    struct dht_result result;
    size_t peer_count, item_count, step_count;
    struct endpoint peers[WITNESS_MAX];
    struct dht_step steps[WITNESS_MAX];
    int64_t seq; /* of the last item */
};

static inline void witness_peer(void *ctx, const struct endpoint *peer,
                                const struct dht_step *step)
{
    struct witness *w = ctx;

    (void)step;
    assert_int_equal(w->done, 0);
    w->peers[w->peer_count++ % WITNESS_MAX] = *peer;
}

static inline void witness_item(void *ctx, const struct dht_item *item,
                                const struct dht_step *step)
{
    struct witness *w = ctx;

    (void)step;
    assert_int_equal(w->done, 0);
    w->item_count++;
    w->seq = item->seq;
}

static inline void witness_step(void *ctx, const struct dht_step *step)
{
    struct witness *w = ctx;

    assert_int_equal(w->done, 0);
    w->steps[w->step_count++ % WITNESS_MAX] = *step;
}

static inline void witness_done(void *ctx, const struct dht_result *result)
{
    struct witness *w = ctx;

    w->done++;
    w->result = *result;
}

static inline struct dht_handler witness_handler(struct witness *w)
{
    *w = (struct witness){.done = 0};
    return (struct dht_handler){w, witness_peer, witness_item, witness_step,
                                witness_done};
}

#endif
