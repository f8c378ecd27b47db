/* SPDX-License-Identifier: MIT
 *
 * An engine that publishes, among peers that take what it stores, or do not.
 */
#ifndef WARREN_TESTS_PUBLISH_FIXTURE_H
#define WARREN_TESTS_PUBLISH_FIXTURE_H

#include "dht_harness.h"

#define RTT (20 * TIME_MS)

struct fixture {
    struct harness h;
    struct peers p;
    struct witness w;
    struct test_random random;
    struct id target;
    /* What the peers do with announce_peer and put. */
    bool silent_once;            /* each loses the first one */
    bool mute;                   /* they lose all */
    const struct peer *imposter; /* who answers them under another id */
    uint32_t refuse;             /* an error code, or 0 */
    bool no_token;
    struct endpoint own; /* what they say that our address is; or port 0 */
    bool tell_peer;      /* they tell this one, when asked for peers */
    struct endpoint announced;
    unsigned stored, implied, with_cas, lost;
    uint16_t port;
    int64_t seq;
    struct dht_message *item; /* what they have under the target */
};

static inline struct fixture *start(size_t peers)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->random = test_seed(11);
    harness_init(&f->h);
    harness_start(&f->h);
    peers_make(&f->p, peers, &f->random);
    f->target = test_id("c0ffee");
    return f;
}

static inline void end(struct fixture *f)
{
    harness_end(&f->h);
    free(f);
}

static inline void store(struct fixture *f, const struct sent *s,
                         struct peer *peer)
{
    struct dht_message m;

    if (f->silent_once && peer->asked++ == 0) {
        f->lost++;
        return;
    }
    if (f->mute)
        return;
    assert_true(bytes_equal(s->m.token, TEST_BYTES("tokentok")));
    harness_answer(&m, s, &peer->id);
    if (peer == f->imposter)
        m.id.b[ID_BYTES - 1] ^= 1;
    if (f->refuse != 0) {
        m.kind = DHT_ERROR;
        m.error_code = f->refuse;
        m.error_text = TEST_BYTES("no");
    } else if (peer != f->imposter) {
        f->stored++;
        f->port = s->m.port;
        f->implied += s->m.implied_port;
        f->with_cas += (s->m.has & DHT_HAS_CAS) != 0;
        f->seq = s->m.seq;
    }
    harness_give(&f->h, &s->to, &m);
}

static inline void respond(struct fixture *f, const struct sent *s)
{
    struct peer *peer = peers_at(&f->p, &s->to);
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
    struct dht_message m;

    if (peer == NULL || peer->silent || s->m.kind != DHT_QUERY)
        return;
    if (s->m.method == DHT_ANNOUNCE_PEER || s->m.method == DHT_PUT) {
        store(f, s, peer);
        return;
    }
    if (s->m.method != DHT_GET && s->m.method != DHT_GET_PEERS) {
        peers_answer(&f->p, &f->h, s);
        peer->asked = 0;
        return;
    }
    dht_message_init(&m, DHT_RESPONSE);
    if (f->item != NULL)
        m = *f->item;
    m.transaction = s->m.transaction;
    m.id = peer->id;
    m.nodes = peers_nodes(&f->p, &s->m.target, DHT_K, nodes);
    m.has |= DHT_HAS_ID | DHT_HAS_NODES;
    if (f->own.port != 0) {
        m.ip = f->own;
        m.has |= DHT_HAS_IP;
    }
    if (f->tell_peer && s->m.method == DHT_GET_PEERS) {
        m.values[m.value_count++] = f->announced;
        m.has |= DHT_HAS_VALUES;
    }
    if (!f->no_token) {
        m.token = TEST_BYTES("tokentok");
        m.has |= DHT_HAS_TOKEN;
    }
    harness_give(&f->h, &s->to, &m);
}

static inline void run(struct fixture *f, uint64_t duration)
{
    uint64_t until = f->h.now + duration;

    for (;;) {
        uint64_t next = dht_next_deadline(f->h.d);
        size_t sent;

        if (harness_waiting(&f->h) == 0) {
            if (next > until)
                break;
            harness_run(&f->h, next > f->h.now ? next : f->h.now);
        }
        sent = f->h.sent_count;
        if (f->h.taken == sent)
            continue;
        harness_run(&f->h, f->h.now + RTT);
        while (f->h.taken < sent)
            respond(f, f->h.sent[f->h.taken++]);
    }
    if (f->h.now < until)
        f->h.now = until;
}

static inline void join(struct fixture *f)
{
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    run(f, 20 * TIME_S);
    for (size_t i = 0; i < f->p.count; i++)
        f->p.peer[i].asked = 0;
}

static inline void announce(struct fixture *f, uint16_t port, bool implied)
{
    struct dht_handler handler = witness_handler(&f->w);

    f->stored = f->implied = 0;
    assert_int_equal(dht_announce(f->h.d, &f->target, port, implied, &handler,
                                  f->h.now, NULL),
                     OK);
}

#endif
