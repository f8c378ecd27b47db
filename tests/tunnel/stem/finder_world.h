/* SPDX-License-Identifier: MIT
 *
 * A finder in a stem_world, and a DHT behind the relays, each of which answers
 * in its own manner.
 */
#ifndef WARREN_TESTS_FINDER_WORLD_H
#define WARREN_TESTS_FINDER_WORLD_H

#include "stem_world.h"

#include "tunnel/stem/finder.h"
#include "wire/item/item_signing.h"

/* What a relay does as the last hop of a lookup. */
enum manner {
    HONEST,
    SAYS_NO,   /* not found, nothing stored */
    FORGES,    /* an item with a wrong signature */
    OLD,       /* the item of seq 1 */
    SILENT,    /* says nothing */
    FRIENDS,   /* points of its own choice */
    REFUSES,   /* keeps to its limits */
    CLOSES,    /* ends the circuit */
    OTHER_IDS, /* answers what was not asked */
    MANY       /* 200 points, most of them nonsense */
};

#define HASHES 2
#define KEYS   8

/* The DHT as the relays see it, and what each saw. */
struct dht {
    struct world w;
    struct finder *f;
    enum manner manner[NET_NODES];
    struct finder_item item[2]; /* by replica; value.p NULL: none */
    struct finder_item old;
    uint8_t value[3][MEETING_VALUE_BYTES];
    struct endpoint peers[HASHES][8];
    unsigned peer_count[HASHES];
    bool late;           /* DONE comes first */
    unsigned lose;       /* of the next questions */
    unsigned stored_seq; /* of the last put */
    unsigned gets, puts, asks;
    unsigned key_count;
    uint8_t keys[KEYS][32];
    uint32_t saw[NET_NODES]; /* keys, a bit each */
    uint32_t put_by[NET_NODES];
    /* What a request ended with. */
    unsigned items, points, ended;
    int64_t seq;
    enum finder_end end;
    unsigned stored;
    struct link_target point[FINDER_POINTS];
    bool refuse;  /* items that are not to our taste */
    bool cancels; /* from within a handler */
    uint64_t request;
};

static inline struct dht *dht_of(struct world *w)
{
    return (struct dht *)w;
}

static inline void sign(struct finder_item *item, unsigned identity)
{
    uint8_t text[ITEM_SIGNED_MAX], secret[64];
    struct value v;
    size_t len;

    test_identity(identity, item->key, secret);
    assert_int_equal(value_from_bytes(item->value, &v), OK);
    len = item_signed_bytes(item->salt, item->seq, &v, text);
    crypto_sign_detached(item->signature, NULL, text, len, secret);
}

/* Of identity `key`, in replica `r`. */
static inline struct finder_item
make_item(struct dht *d, unsigned key, unsigned r, int64_t seq, unsigned value)
{
    struct finder_item item = {
        .salt = r == 0 ? bytes_of("", 0) : bytes_of("\x01", 1),
        .seq = seq,
        .value = bytes_of(d->value[value], MEETING_VALUE_BYTES)};

    memset(d->value[value], 0x30 + (int)value, MEETING_VALUE_BYTES);
    sign(&item, key);
    return item;
}

/* ---- Relays -------------------------------------------------------------- */

static inline void note_key(struct dht *d, unsigned n, struct bytes key,
                            bool put)
{
    unsigned i;

    for (i = 0; i < d->key_count; i++)
        if (memcmp(d->keys[i], key.p, key.len) == 0)
            break;
    if (i == d->key_count) {
        assert_true(d->key_count < KEYS);
        memcpy(d->keys[d->key_count++], key.p, key.len);
    }
    d->saw[n] |= 1U << i;
    if (put)
        d->put_by[n] |= 1U << i;
}

static inline void say_item(struct dht *d, unsigned n, struct transit *t,
                            uint32_t id, const struct finder_item *item,
                            bool forged)
{
    uint8_t signature[64];
    struct meeting_message m = {.type = MEETING_DHT_ITEM,
                                .id = id,
                                .seq = item->seq,
                                .signature = signature,
                                .value = item->value.p};

    memcpy(signature, item->signature, 64);
    m.seq += forged ? 90 : 0; /* it would win */
    world_say(&d->w, n, t, &m);
}

static inline void say_done(struct dht *d, unsigned n, struct transit *t,
                            uint32_t id, enum reason why, unsigned stored)
{
    struct meeting_message m = {
        .type = MEETING_DHT_DONE, .id = id, .reason = why, .stored = stored};

    world_say(&d->w, n, t, &m);
}

static inline void say_many(struct dht *d, unsigned n, struct transit *t,
                            uint32_t id)
{
    for (unsigned k = 0; k < 7; k++) {
        struct meeting_message m = {
            .type = MEETING_DHT_PEERS, .id = id, .peer_count = 30};

        for (unsigned i = 0; i < 30; i++)
            m.peers[i] = test_ep4(k % 2 ? 10 : (uint8_t)(20 + i),
                                  (uint8_t)(30 * k + i), 1, 1,
                                  i % 7 ? 7881 : 0);
        m.peers[3] = d->w.net->node[n].ep;
        world_say(&d->w, n, t, &m);
    }
}

static inline void say_peers(struct dht *d, unsigned n, struct transit *t,
                             uint32_t id, unsigned which)
{
    struct meeting_message m = {.type = MEETING_DHT_PEERS, .id = id};

    for (unsigned i = 0; which < HASHES && i < d->peer_count[which]; i++)
        m.peers[m.peer_count++] = d->peers[which][i];
    if (d->manner[n] == FRIENDS)
        for (unsigned i = m.peer_count = 0; i < 8; i++)
            m.peers[m.peer_count++] = d->w.net->node[16 + i % 7].ep;
    if (m.peer_count > 0)
        world_say(&d->w, n, t, &m);
}

static inline void answer_get(struct dht *d, unsigned n, struct transit *t,
                              const struct meeting_message *m)
{
    unsigned replica = m->salt.len > 0;
    const struct finder_item *item = &d->item[replica];
    uint32_t id = m->id + (d->manner[n] == OTHER_IDS);

    if (d->manner[n] == OLD && replica == 0)
        item = &d->old;
    if (d->late)
        say_done(d, n, t, id, REASON_UNKNOWN, 0);
    if (item->value.p != NULL && d->manner[n] != SAYS_NO &&
        memcmp(item->key, m->key.p, 32) == 0)
        say_item(d, n, t, id, item, d->manner[n] == FORGES);
    if (!d->late)
        say_done(d, n, t, id, REASON_UNKNOWN, 0);
}

static inline void answer_points(struct dht *d, unsigned n, struct transit *t,
                                 const struct meeting_message *m)
{
    if (d->manner[n] == MANY)
        say_many(d, n, t, m->id);
    else if (d->manner[n] != SAYS_NO)
        say_peers(d, n, t, m->id, m->key.p[0]);
    say_done(d, n, t, m->id, REASON_UNKNOWN, 0);
}

/* Relay k of the net, whoever knows it. */
static inline void answer_ask(struct dht *d, unsigned n, struct transit *t,
                              const struct meeting_message *m)
{
    struct meeting_message told = {.type = MEETING_RELAY_TOLD, .id = m->id};
    const struct net_node *node = net_at(d->w.net, &m->ep);
    uint8_t text[DESCRIPTOR_MAX];

    d->asks++;
    assert_true(endpoint_is_global(&m->ep) && m->ep.port != 0);
    if (node != NULL) {
        unsigned k = (unsigned)(node - d->w.net->node);
        struct descriptor desc = world_descriptor(&d->w, k);
        unsigned signer = d->manner[n] == FORGES ? n : k;

        told.descriptor =
            bytes_of(text, test_descriptor_text(&desc, signer, text));
    }
    world_say(&d->w, n, t, &told);
}

static inline enum reason serve(struct world *w, unsigned n, struct transit *t,
                                const struct meeting_message *m)
{
    struct dht *d = dht_of(w);

    if (d->lose > 0) {
        d->lose--;
        return REASON_UNKNOWN;
    }
    if (m->type != MEETING_RELAY_ASK)
        note_key(d, n, m->key, m->type == MEETING_DHT_PUT);
    if (d->manner[n] == SILENT)
        return REASON_UNKNOWN;
    if (d->manner[n] == REFUSES)
        return REASON_RATE;
    if (d->manner[n] == CLOSES) {
        transit_close(w->net->node[n].engine.transits, t, REASON_FULL,
                      w->net->now);
        return REASON_UNKNOWN;
    }
    if (m->type == MEETING_RELAY_ASK) {
        answer_ask(d, n, t, m);
    } else if (m->type == MEETING_DHT_PUT) {
        d->puts++;
        d->stored_seq = (unsigned)m->seq;
        say_done(d, n, t, m->id, REASON_UNKNOWN,
                 d->manner[n] == SAYS_NO ? 0 : 8);
    } else {
        d->gets++;
        if (m->key.len == 32)
            answer_get(d, n, t, m);
        else
            answer_points(d, n, t, m);
    }
    return REASON_UNKNOWN;
}

/* ---- The client ---------------------------------------------------------- */

static inline bool on_item(void *ctx, uint64_t request,
                           const struct finder_item *item, uint64_t now)
{
    struct dht *d = ctx;

    assert_int_equal(request, d->request);
    assert_int_equal(item->value.len, MEETING_VALUE_BYTES);
    d->items++;
    if (d->refuse)
        return false;
    d->seq = item->seq;
    if (d->cancels)
        finder_cancel(d->f, request, now);
    return true;
}

static inline void on_point(void *ctx, uint64_t request,
                            const struct link_target *p, uint64_t now)
{
    struct dht *d = ctx;

    assert_int_equal(request, d->request);
    assert_true(d->points < FINDER_POINTS);
    d->point[d->points++] = *p;
    if (d->cancels)
        finder_cancel(d->f, request, now);
}

static inline void on_done(void *ctx, uint64_t request, enum finder_end end,
                           unsigned stored, uint64_t now)
{
    struct dht *d = ctx;

    (void)now;
    assert_int_equal(request, d->request);
    d->ended++;
    d->end = end;
    d->stored = stored;
}

static inline struct finder_handler handler(struct dht *d)
{
    return (struct finder_handler){
        .ctx = d, .item = on_item, .point = on_point, .done = on_done};
}

static inline uint64_t next(const struct world *w)
{
    return finder_next_deadline(((const struct dht *)w)->f);
}

static inline void tick(struct world *w)
{
    finder_tick(dht_of(w)->f, world_wall(w), w->net->now);
}

static inline void on_stems(struct world *w, struct stem_kit *kit)
{
    finder_stems(dht_of(w)->f, kit, w->net->now);
}

static inline void begin_with(struct dht *d, uint64_t seed, unsigned relays,
                              const struct dht_provider *provider)
{
    struct finder_env env = {.dht = provider};

    memset(d, 0, sizeof(*d));
    world_init(&d->w, seed, relays);
    env.random = test_source(&d->w.h.random);
    env.circuits = world_circuits(&d->w);
    env.directory = d->w.h.d;
    assert_int_equal(finder_new(&env, &d->f), OK);
    d->w.serve = serve;
    d->w.next = next;
    d->w.tick = tick;
    d->w.on_ready = on_stems;
}

static inline void begin(struct dht *d, uint64_t seed, unsigned relays)
{
    begin_with(d, seed, relays, NULL);
}

static inline void end(struct dht *d)
{
    finder_free(d->f, d->w.net->now);
    world_deinit(&d->w);
}

static inline struct stem_kit *kit_new(struct dht *d,
                                       struct vanguard_set *third)
{
    struct stem_kit *kit;

    assert_int_equal(stem_kit_new(d->w.stems, 3, third, NULL, &kit), OK);
    return kit;
}

static inline void clear(struct dht *d)
{
    d->items = d->points = d->ended = d->stored = 0;
    d->seq = 0;
    memset(d->saw, 0, sizeof(d->saw));
}

/* Until it has ended. */
static inline void finish(struct dht *d)
{
    for (unsigned i = 0; i < 250 && d->ended == 0; i++)
        world_run(&d->w, 100 * TIME_MS);
    assert_int_equal(d->ended, 1);
    assert_int_equal(finder_stats(d->f)->ended[d->end] > 0, 1);
}

static inline void get(struct dht *d, struct stem_kit *kit, unsigned key)
{
    struct finder_handler h = handler(d);
    uint8_t k[32], secret[64];

    clear(d);
    test_identity(key, k, secret);
    assert_int_equal(finder_get(d->f, kit, k, &h, d->w.net->now, &d->request),
                     OK);
    finish(d);
}

static inline void put(struct dht *d, struct stem_kit *kit, unsigned key,
                       unsigned r, int64_t seq)
{
    struct finder_item item = make_item(d, key, r, seq, 0);
    struct finder_handler h = handler(d);

    d->ended = 0;
    assert_int_equal(
        finder_put(d->f, kit, &item, &h, d->w.net->now, &d->request), OK);
    finish(d);
}

static inline void points(struct dht *d, struct stem_kit *kit, unsigned max)
{
    struct finder_handler h = handler(d);
    struct id hashes[2] = {{{0}}, {{1}}};

    clear(d);
    assert_int_equal(
        finder_points(d->f, kit, hashes, max, &h, d->w.net->now, &d->request),
        OK);
    finish(d);
}

static inline unsigned seen_by(const struct dht *d)
{
    unsigned count = 0;

    for (unsigned n = 0; n < NET_NODES; n++)
        count += d->saw[n] != 0;
    return count;
}

static inline void have_points(struct dht *d, unsigned first, unsigned count)
{
    for (unsigned h = 0; h < HASHES; h++) {
        d->peer_count[h] = count;
        for (unsigned i = 0; i < count; i++)
            d->peers[h][i] = d->w.net->node[first + i].ep;
    }
}

#endif
