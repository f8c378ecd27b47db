/* SPDX-License-Identifier: MIT
 *
 * A meeting with small caps, driven by arbitrary bytes: what clients say on a
 * few circuits, made so that it often makes sense, what the DHT and relays
 * answer, in time or not, and circuits that end. Nothing is said on a circuit
 * that is gone, two circuits are joined at most once, caps hold, what is
 * announced goes with its members, and at the end nothing is left.
 */
#include "fuzz.h"

#include "meeting/meeting_message_check.h"

#include "base/timestamp.h"
#include "tunnel/meeting/meeting.h"
#include "tunnel/transit/transit.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define CIRCUITS 8
#define REQUESTS 16
#define WALL     UINT64_C(1800000000)

struct circuit {
    struct transit relay; /* first */
    struct meeting_circuit *state;
    uint8_t transcript[MEETING_TRANSCRIPT_BYTES];
    bool open;
    uint32_t handle; /* of the last INTRODUCED */
    struct circuit *with;
};

struct request {
    struct dht_provider_handler handler;
    bool running;
};

struct world {
    struct meeting *m;
    struct meeting_config config;
    struct input in;
    uint64_t now, random;
    struct circuit circuits[CIRCUITS];
    struct request requests[REQUESTS];
    unsigned announced; /* now */
    struct dht_provider dht;
    struct endpoint asked; /* the last one of env.tell */
};

static uint8_t take(struct world *w)
{
    return input_take(&w->in);
}

static void fill(void *ctx, void *buf, size_t len)
{
    struct world *w = ctx;
    uint8_t *p = buf;

    for (size_t i = 0; i < len; i++) {
        w->random = w->random * UINT64_C(6364136223846793005) + 1;
        p[i] = (uint8_t)(w->random >> 56);
    }
}

/* ---- What the room asks ---------------------------------------------------
 */

static void answer(void *ctx, struct transit *relay, struct bytes text,
                   size_t cell, uint64_t now)
{
    struct circuit *c = (struct circuit *)(void *)relay;
    struct world *w = ctx;
    uint8_t copy[CELL_MAX] = {0};
    struct meeting_message m;

    assert(c->open && now == w->now && text.len <= meeting_text_len(cell));
    memcpy(copy, text.p, text.len);
    assert(meeting_message_read(bytes_of(copy, meeting_text_len(cell)), &m) ==
           OK);
    assert(meeting_relay_says(m.type));
    if (m.type == MEETING_INTRODUCED)
        c->handle = m.handle;
}

static enum error join(void *ctx, struct transit *a, struct transit *b,
                       uint64_t now)
{
    struct circuit *x = (struct circuit *)(void *)a;
    struct circuit *y = (struct circuit *)(void *)b;
    struct world *w = ctx;

    assert(x != y && x->open && y->open && now == w->now);
    assert(x->with == NULL && y->with == NULL);
    if (take(w) % 8 == 7)
        return ERR_IN_USE;
    x->with = y;
    y->with = x;
    return OK;
}

static struct endpoint endpoint_at(uint8_t n)
{
    return (struct endpoint){.addr = {50, n % 8, 0, 1}, .port = 7};
}

static enum error tell(void *ctx, const struct endpoint *ep, uint64_t wall,
                       uint64_t now)
{
    struct world *w = ctx;
    uint8_t fate = take(w);

    w->asked = *ep;
    if (fate % 4 == 3)
        return ERR_FULL;
    if (fate % 4 == 2)
        meeting_told(w->m, ep, bytes_of("d", 1), wall, now);
    return OK;
}

static enum error announce(void *ctx, const struct id *hash)
{
    struct world *w = ctx;

    (void)hash;
    if (take(w) % 4 == 3)
        return ERR_FULL;
    w->announced++;
    return OK;
}

static void withdraw(void *ctx, const struct id *hash)
{
    struct world *w = ctx;

    (void)hash;
    assert(w->announced > 0);
    w->announced--;
}

static void say_something(struct world *w, const struct request *r)
{
    struct endpoint ep = endpoint_at(take(w));
    uint8_t bytes[MEETING_VALUE_BYTES] = {1};
    struct value value;
    struct dht_provider_item item = {.value = &value, .seq = take(w)};

    if (value_from_bytes(bytes_of(bytes, take(w) % 4 == 0 ? 5 : sizeof(bytes)),
                         &value) != OK)
        assert(0);
    if (r->handler.peer != NULL)
        r->handler.peer(r->handler.ctx, r->handler.cookie, &ep);
    if (r->handler.item != NULL)
        r->handler.item(r->handler.ctx, r->handler.cookie, &item);
}

static void finish(struct world *w, struct request *r)
{
    const struct dht_provider_counts counts = {1, 2, 3};

    if (!r->running)
        return;
    r->running = false;
    if (r->handler.counted != NULL)
        r->handler.counted(r->handler.ctx, r->handler.cookie, &counts);
    r->handler.done(r->handler.ctx, r->handler.cookie,
                    take(w) % 2 == 0 ? OK : ERR_TIMEOUT);
}

static enum error begin(struct world *w, const struct dht_provider_handler *h,
                        uint64_t *request)
{
    uint8_t fate = take(w);

    for (unsigned i = 0; i < REQUESTS; i++) {
        struct request *r = &w->requests[i];

        if (r->running)
            continue;
        *r = (struct request){*h, true};
        *request = i + 1;
        if (fate % 4 == 3)
            say_something(w, r);
        if (fate % 4 >= 2)
            finish(w, r);
        return OK;
    }
    return ERR_FULL;
}

static enum error get_peers(void *ctx, const struct id *hash,
                            const struct dht_provider_handler *h,
                            uint64_t *request)
{
    (void)hash;
    return begin(ctx, h, request);
}

static enum error get_item(void *ctx, const uint8_t key[32], struct bytes salt,
                           const struct dht_provider_handler *h,
                           uint64_t *request)
{
    (void)key;
    (void)salt;
    return begin(ctx, h, request);
}

static enum error put_once(void *ctx, const struct dht_provider_item *item,
                           const struct dht_provider_handler *h,
                           uint64_t *request)
{
    (void)item;
    return begin(ctx, h, request);
}

static void cancel(void *ctx, uint64_t request)
{
    struct world *w = ctx;

    assert(request > 0 && request <= REQUESTS);
    assert(w->requests[request - 1].running);
    w->requests[request - 1].running = false;
}

/* ---- What clients say -----------------------------------------------------
 */

static uint8_t names[16][1024]; /* ids, cookies, topics, noise: zero but one */

static void sign_it(const struct circuit *c, struct meeting_message *m,
                    unsigned n, uint8_t signature[64])
{
    static uint8_t public[4][32], secret[4][64];
    uint8_t seed[32] = {(uint8_t)(n + 1)}, covered[MEETING_SIGNED_MAX];

    if (secret[n][0] == 0 && secret[n][1] == 0)
        crypto_sign_seed_keypair(public[n], secret[n], seed);
    m->auth_key = public[n];
    crypto_sign_detached(signature, NULL, covered,
                         meeting_signed_bytes(m, c->transcript, covered),
                         secret[n]);
    m->signature = signature;
}

static const uint8_t *auth_id_of(unsigned n)
{
    static uint8_t ids[4][MEETING_AUTH_ID_BYTES];
    uint8_t seed[32] = {(uint8_t)(n + 1)}, public[32], secret[64];

    if (ids[n][0] == 0 && ids[n][1] == 0) {
        crypto_sign_seed_keypair(public, secret, seed);
        crypto_generichash(ids[n], sizeof(ids[n]), public, 32, NULL, 0);
    }
    return ids[n];
}

static void make(struct world *w, const struct circuit *c,
                 struct meeting_message *m, uint8_t signature[64])
{
    uint8_t what = take(w);
    const uint8_t *name = names[what % 16];

    m->type = (enum meeting_message_type)(16 + take(w) % 19);
    m->status = (enum meeting_status)(what % MEETING_STATUS_END_);
    m->auth_id = auth_id_of(what % 4);
    m->has_work = (what & 16) != 0;
    m->work.effort = what;
    m->handle = c->handle;
    m->cookie = m->topic = m->value = m->signature = name;
    m->id = what % 4;
    m->key = bytes_of(name, (what & 32) != 0 ? 20 : 32);
    m->seq = what;
    m->ep = endpoint_at(what);
    m->noise =
        bytes_of(name, m->type == MEETING_JOIN || m->type == MEETING_JOINED
                           ? MEETING_NOISE2_BYTES
                           : MEETING_NOISE1_BYTES);
    if (m->type != MEETING_INTRO_ESTABLISH)
        return;
    if ((what & 64) != 0)
        m->topic = NULL;
    m->entry = m->topic;
    sign_it(c, m, what / 16 % 4, signature);
}

static void say(struct world *w, struct circuit *c)
{
    struct meeting_message m = {.status = MEETING_TAKEN};
    uint8_t text[CELL_MAX], signature[64];
    size_t len;

    make(w, c, &m, signature);
    len = meeting_text(&m, text);
    assert(len > 0);
    meeting_message(w->m, &c->state, &c->relay, take(w) == 255,
                    bytes_of(text, len), c->transcript, WALL, w->now);
}

/* As it comes. */
static void say_bytes(struct world *w, struct circuit *c)
{
    uint8_t text[CELL_MAX] = {0};
    size_t len = meeting_text_len(take(w) & 1 ? CELL_SMALL : CELL_LARGE);
    size_t used = take(w);

    for (size_t i = 0; i < used && i < len; i++)
        text[i] = take(w);
    meeting_message(w->m, &c->state, &c->relay, false, bytes_of(text, len),
                    c->transcript, WALL, w->now);
}

static void toggle(struct world *w, struct circuit *c)
{
    if (!c->open) {
        c->open = true;
        c->relay.source = endpoint_at(take(w));
        fill(w, c->transcript, sizeof(c->transcript));
        return;
    }
    if (c->with != NULL)
        c->with->with = NULL;
    c->with = NULL;
    meeting_circuit_free(w->m, c->state, w->now);
    c->state = NULL;
    c->open = false;
}

static void do_one(struct world *w)
{
    uint8_t what = take(w);
    struct circuit *c = &w->circuits[what % CIRCUITS];
    struct request *r = &w->requests[take(w) % REQUESTS];
    struct endpoint ep;

    switch (what >> 3 & 7) {
    case 0:
        toggle(w, c);
        break;
    case 1:
        w->now += (uint64_t)take(w) * TIME_S / 2;
        meeting_tick(w->m, WALL, w->now);
        break;
    case 2:
        if (r->running)
            say_something(w, r);
        break;
    case 3:
        finish(w, r);
        break;
    case 4:
        ep = take(w) % 2 == 0 ? w->asked : endpoint_at(what);
        meeting_told(w->m, &ep, bytes_of("d", what % 2), WALL, w->now);
        break;
    case 5:
        if (c->open)
            say_bytes(w, c);
        break;
    default:
        if (c->open)
            say(w, c);
        break;
    }
}

static void check_caps(const struct world *w)
{
    const struct meeting_config *c = &w->config;
    struct meeting_stats s;

    meeting_stats(w->m, &s);
    assert(s.introductions <= c->max_introductions);
    assert(s.topics <= c->max_topics && s.cookies <= c->max_cookies);
    assert(s.entries <= c->max_topics * c->max_entries);
    assert(s.entries >= s.topics && s.entries <= s.introductions);
    assert(s.lookups <= c->max_lookups);
    assert(w->announced <= 2 * s.topics);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.in = {data, size}, .now = TIME_HOUR, .random = 1};
    struct meeting_env env = {.ctx = &w,
                              .random = {&w, fill},
                              .answer = answer,
                              .join = join,
                              .tell = tell,
                              .dht = &w.dht};

    for (unsigned i = 0; i < 16; i++)
        names[i][0] = (uint8_t)i;
    w.dht = (struct dht_provider){.ctx = &w,
                                  .announce = announce,
                                  .withdraw = withdraw,
                                  .get_peers = get_peers,
                                  .get_item = get_item,
                                  .put_once = put_once,
                                  .cancel = cancel};
    meeting_config_init(&w.config);
    w.config.max_introductions = 4;
    w.config.max_topics = 2;
    w.config.max_entries = 2;
    w.config.max_cookies = 3;
    w.config.max_lookups = 4;
    w.config.service_burst = 2;
    assert(meeting_new(&w.config, &env, &w.m) == OK);
    while (w.in.left > 0) {
        do_one(&w);
        check_caps(&w);
    }
    for (unsigned i = 0; i < CIRCUITS; i++)
        if (w.circuits[i].open)
            toggle(&w, &w.circuits[i]);
    assert(w.announced == 0);
    for (unsigned i = 0; i < REQUESTS; i++)
        assert(!w.requests[i].running);
    meeting_free(w.m);
    return 0;
}
