/* SPDX-License-Identifier: MIT
 *
 * A meeting among circuits that the test speaks on, with a DHT and relays that
 * answer what the test has written down. What the room says is kept with the
 * circuit that it was said on.
 */
#ifndef WARREN_TESTS_MEETING_WORLD_H
#define WARREN_TESTS_MEETING_WORLD_H

#include "meeting/meeting_message_check.h"
#include "testing.h"

#include "base/timestamp.h"
#include "tunnel/circuit/circuit_message.h"
#include "tunnel/meeting/meeting.h"
#include "tunnel/transit/transit.h"
#include "wire/item/item_signing.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WORLD_NETWORK "test"
#define WORLD_WALL    UINT64_C(1800000000)
#define WORLD_TYPES   64
#define WORLD_LOG     64

/* A circuit, seen from its client. */
struct party {
    struct transit relay; /* first */
    struct meeting_circuit *state;
    uint8_t transcript[MEETING_TRANSCRIPT_BYTES];
    unsigned said[WORLD_TYPES]; /* to it, by type */
    uint8_t text[CELL_MAX];     /* the last one */
    size_t text_len;
    struct meeting_message last;
    struct party *next;
};

struct world {
    struct meeting *m;
    struct meeting_config config;
    struct test_random random;
    uint64_t now, wall;
    struct party *parties;
    unsigned said; /* to anybody */

    struct party *joined[2];
    unsigned joins;
    enum error join_error;

    struct dht_provider dht;
    enum error dht_error;
    bool dht_waits; /* answers come by world_dht_done */
    unsigned announced, withdrawn, gets, get_items, puts, cancelled;
    struct id hashes[WORLD_LOG]; /* that are announced now */
    unsigned hash_count;
    struct id asked_for; /* the last one */
    struct dht_provider_handler handler;
    struct endpoint peers[WORLD_LOG];
    unsigned peer_count;
    const struct dht_provider_item *item;

    unsigned tells; /* of env.tell */
    struct endpoint told[WORLD_LOG];
    enum error tell_error;
    struct bytes tell_at_once; /* what is told from within, if anything */
};

static inline void world_fill(void *ctx, void *buf, size_t len)
{
    struct world *w = ctx;

    test_random_fill(&w->random, buf, len);
}

/* ---- What the room asks of its world ------------------------------------- */

static inline void world_answer(void *ctx, struct transit *relay,
                                struct bytes text, size_t cell, uint64_t now)
{
    struct world *w = ctx;
    struct party *p = (struct party *)(void *)relay;

    assert_int_equal(now, w->now);
    w->said++;
    p->text_len = meeting_text_len(cell);
    assert_true(text.len <= p->text_len);
    memset(p->text, 0, sizeof(p->text));
    memcpy(p->text, text.p, text.len);
    assert_int_equal(
        meeting_message_read(bytes_of(p->text, p->text_len), &p->last), OK);
    assert_true(meeting_relay_says(p->last.type));
    p->said[p->last.type]++;
}

static inline enum error world_join(void *ctx, struct transit *a,
                                    struct transit *b, uint64_t now)
{
    struct world *w = ctx;

    (void)now;
    assert_ptr_not_equal(a, b);
    if (w->join_error != OK)
        return w->join_error;
    w->joins++;
    w->joined[0] = (struct party *)(void *)a;
    w->joined[1] = (struct party *)(void *)b;
    return OK;
}

static inline enum error world_tell(void *ctx, const struct endpoint *ep,
                                    uint64_t wall, uint64_t now)
{
    struct world *w = ctx;

    if (w->tell_error != OK)
        return w->tell_error;
    w->told[w->tells++ % WORLD_LOG] = *ep;
    if (w->tell_at_once.len > 0)
        meeting_told(w->m, ep, w->tell_at_once, wall, now);
    return OK;
}

static inline enum error world_announce(void *ctx, const struct id *hash)
{
    struct world *w = ctx;

    if (w->dht_error != OK)
        return w->dht_error;
    w->announced++;
    if (w->hash_count < WORLD_LOG)
        w->hashes[w->hash_count++] = *hash;
    return OK;
}

static inline void world_withdraw(void *ctx, const struct id *hash)
{
    struct world *w = ctx;

    w->withdrawn++;
    for (unsigned i = 0; i < w->hash_count; i++) {
        if (id_equal(&w->hashes[i], hash)) {
            w->hashes[i] = w->hashes[--w->hash_count];
            return;
        }
    }
}

/* What is written down is found. */
static inline void world_dht_done(struct world *w,
                                  const struct dht_provider_handler *h,
                                  enum error e)
{
    const struct dht_provider_counts counts = {30, 20, 8};

    for (unsigned i = 0; h->peer != NULL && i < w->peer_count; i++)
        h->peer(h->ctx, h->cookie, &w->peers[i]);
    if (h->item != NULL && w->item != NULL)
        h->item(h->ctx, h->cookie, w->item);
    if (h->counted != NULL)
        h->counted(h->ctx, h->cookie, &counts);
    h->done(h->ctx, h->cookie, e);
}

static inline enum error world_ask(struct world *w,
                                   const struct dht_provider_handler *h,
                                   uint64_t *request)
{
    if (w->dht_error != OK)
        return w->dht_error;
    *request = 1000 + w->gets + w->get_items + w->puts;
    w->handler = *h;
    if (!w->dht_waits)
        world_dht_done(w, h, OK);
    return OK;
}

static inline enum error world_get_peers(void *ctx, const struct id *hash,
                                         const struct dht_provider_handler *h,
                                         uint64_t *request)
{
    struct world *w = ctx;

    w->gets++;
    w->asked_for = *hash;
    return world_ask(w, h, request);
}

static inline enum error world_get_item(void *ctx, const uint8_t key[32],
                                        struct bytes salt,
                                        const struct dht_provider_handler *h,
                                        uint64_t *request)
{
    struct world *w = ctx;

    (void)key;
    (void)salt;
    w->get_items++;
    return world_ask(w, h, request);
}

static inline enum error world_put_once(void *ctx,
                                        const struct dht_provider_item *item,
                                        const struct dht_provider_handler *h,
                                        uint64_t *request)
{
    struct world *w = ctx;

    (void)item;
    w->puts++;
    return world_ask(w, h, request);
}

static inline void world_cancel(void *ctx, uint64_t request)
{
    struct world *w = ctx;

    assert_true(request != 0);
    w->cancelled++;
}

/* ---- Life ---------------------------------------------------------------- */

static inline struct meeting_env world_env(struct world *w)
{
    return (struct meeting_env){.ctx = w,
                                .random = {w, world_fill},
                                .answer = world_answer,
                                .join = world_join,
                                .tell = world_tell,
                                .dht = &w->dht};
}

/* As the defaults are. */
static inline void world_prepare(struct world *w, uint64_t seed)
{
    *w = (struct world){.random = {seed}, .now = TIME_HOUR, .wall = WORLD_WALL};
    w->dht = (struct dht_provider){.ctx = w,
                                   .announce = world_announce,
                                   .withdraw = world_withdraw,
                                   .get_peers = world_get_peers,
                                   .get_item = world_get_item,
                                   .put_once = world_put_once,
                                   .cancel = world_cancel};
    meeting_config_init(&w->config);
    memcpy(w->config.network, WORLD_NETWORK, sizeof(WORLD_NETWORK));
}

static inline void world_begin(struct world *w)
{
    struct meeting_env env = world_env(w);

    assert_int_equal(meeting_new(&w->config, &env, &w->m), OK);
}

static inline void world_init(struct world *w, uint64_t seed)
{
    world_prepare(w, seed);
    world_begin(w);
}

static inline struct party *party_new(struct world *w,
                                      const struct endpoint *source)
{
    struct party *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->relay.source = *source;
    test_random_fill(&w->random, p->transcript, sizeof(p->transcript));
    p->next = w->parties;
    w->parties = p;
    return p;
}

static inline struct endpoint source_at(uint8_t a, uint8_t b, uint8_t c,
                                        uint8_t d)
{
    return (struct endpoint){.addr = {a, b, c, d}, .port = 7000};
}

/* A circuit from a network of its own. */
static inline struct party *party_of(struct world *w, unsigned n)
{
    struct endpoint ep =
        source_at((uint8_t)(20 + n / 200 % 60), (uint8_t)(n % 200), 1, 1);

    return party_new(w, &ep);
}

/* The circuit ends. */
static inline void party_end(struct world *w, struct party *p)
{
    struct party **at = &w->parties;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    meeting_circuit_free(w->m, p->state, w->now);
    free(p);
}

static inline void world_deinit(struct world *w)
{
    while (w->parties != NULL)
        party_end(w, w->parties);
    meeting_free(w->m);
}

static inline void world_tick(struct world *w)
{
    meeting_tick(w->m, w->wall, w->now);
}

/* Ticks at each deadline of the next `duration`. */
static inline void world_run(struct world *w, uint64_t duration)
{
    uint64_t end = w->now + duration;

    while (meeting_next_deadline(w->m) <= end) {
        uint64_t at = meeting_next_deadline(w->m);

        if (at > w->now) {
            w->wall += (at - w->now) / TIME_S;
            w->now = at;
        }
        world_tick(w);
    }
    w->wall += (end - w->now) / TIME_S;
    w->now = end;
}

static inline struct meeting_stats world_stats(const struct world *w)
{
    struct meeting_stats s;

    meeting_stats(w->m, &s);
    return s;
}

/* ---- What clients say ---------------------------------------------------- */

static inline enum reason say_text(struct world *w, struct party *p,
                                   struct bytes text)
{
    return meeting_message(w->m, &p->state, &p->relay, false, text,
                           p->transcript, w->wall, w->now);
}

static inline enum reason say(struct world *w, struct party *p,
                              const struct meeting_message *msg)
{
    uint8_t text[CELL_MAX];
    size_t len = meeting_text(msg, text);

    assert_true(len > 0);
    return say_text(w, p, bytes_of(text, len));
}

/* A point's key, from a number. */
struct auth {
    uint8_t public[32], secret[64], id[MEETING_AUTH_ID_BYTES];
};

static inline struct auth auth_of(unsigned n)
{
    uint8_t seed[32] = {1, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16)};
    struct auth a;

    crypto_sign_seed_keypair(a.public, a.secret, seed);
    crypto_generichash(a.id, sizeof(a.id), a.public, sizeof(a.public), NULL, 0);
    return a;
}

/* INTRO_ESTABLISH as it should be; `topic` and `entry` NULL for a key's. Kept
 * in `text`, to say it elsewhere. */
static inline size_t establish_text(const struct party *p, const struct auth *a,
                                    const uint8_t *topic, const uint8_t *entry,
                                    uint8_t text[CELL_MAX])
{
    uint8_t covered[MEETING_SIGNED_MAX], signature[64];
    struct meeting_message msg = {.type = MEETING_INTRO_ESTABLISH,
                                  .auth_key = a->public,
                                  .topic = topic,
                                  .entry = entry,
                                  .signature = signature};
    size_t len = meeting_signed_bytes(&msg, p->transcript, covered);

    crypto_sign_detached(signature, NULL, covered, len, a->secret);
    return meeting_text(&msg, text);
}

static inline enum reason establish(struct world *w, struct party *p,
                                    const struct auth *a, const uint8_t *topic,
                                    const uint8_t *entry)
{
    uint8_t text[CELL_MAX];
    size_t len = establish_text(p, a, topic, entry, text);

    return say_text(w, p, bytes_of(text, len));
}

/* INTRODUCE with a noise1 that begins with `n`. */
static inline enum reason introduce(struct world *w, struct party *p,
                                    const uint8_t *auth_id, uint8_t n,
                                    uint32_t effort)
{
    uint8_t noise[MEETING_NOISE1_BYTES] = {n};
    struct meeting_message msg = {.type = MEETING_INTRODUCE,
                                  .auth_id = auth_id,
                                  .has_work = effort > 0,
                                  .work = {.effort = effort},
                                  .noise = {noise, sizeof(noise)}};

    return say(w, p, &msg);
}

static inline enum reason result(struct world *w, struct party *p,
                                 uint32_t handle, enum meeting_status status,
                                 uint32_t effort)
{
    struct meeting_message msg = {.type = MEETING_INTRO_RESULT,
                                  .handle = handle,
                                  .status = status,
                                  .effort = effort};

    return say(w, p, &msg);
}

#endif
