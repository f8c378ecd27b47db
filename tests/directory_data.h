/* SPDX-License-Identifier: MIT
 *
 * A directory with all that is around it: what it sends, remembers and
 * publishes is kept here, and a DHT in which endpoints lie under keys.
 */
#ifndef WARREN_TESTS_DIRECTORY_DATA_H
#define WARREN_TESTS_DIRECTORY_DATA_H

#include "descriptor_data.h"

#include "tunnel/directory.h"

#define HOST_STORED 600
#define HOST_PEERS  64
#define HOST_LOG    32

struct host_stored {
    struct stored_relay s;
    uint8_t text[DESCRIPTOR_MAX];
};

struct host {
    struct directory *d;
    struct test_random random;
    uint8_t secret[64];
    uint64_t now;
    int64_t wall;

    unsigned sent; /* datagrams */
    struct endpoint sent_to;
    uint8_t datagram[2048];
    size_t datagram_len;
    unsigned logged; /* ASKs that nobody answered yet */
    struct {
        struct endpoint to;
        uint8_t nonce[LINK_ASK_NONCE];
    } log[HOST_LOG];

    unsigned cells;
    enum cell_type cell_type;
    uint8_t text[CELL_TEXT_MAX];
    size_t text_len;

    struct host_stored *stored;
    unsigned stored_count, forgotten, rotations;

    struct dht_provider dht;
    struct {
        struct id key;
        struct endpoint ep;
    } peers[HOST_PEERS];
    unsigned peer_count, announced, withdrawn, puts, lookups, fetches;
    struct id announced_key;
    struct dht_provider_item item; /* the last one that was put */
    struct value value;
    enum error dht_error; /* of all requests */
    bool slow;            /* answers do not come */
    uint64_t cancelled;
};

static inline void host_send(void *ctx, const struct endpoint *to,
                             struct bytes datagram)
{
    struct host *h = ctx;
    struct link_message m;

    h->sent++;
    h->sent_to = *to;
    memcpy(h->datagram, datagram.p, datagram.len);
    h->datagram_len = datagram.len;
    if (h->logged == HOST_LOG || link_message_read(datagram, &m) != OK ||
        m.kind != LINK_ASK)
        return;
    h->log[h->logged].to = *to;
    memcpy(h->log[h->logged].nonce, m.nonce.p, m.nonce.len);
    h->logged++;
}

static inline bool host_cell(void *ctx, struct link *link, enum cell_type type,
                             struct bytes text, uint64_t now)
{
    struct host *h = ctx;

    (void)link;
    (void)now;
    h->cells++;
    h->cell_type = type;
    if (text.len > 0)
        memcpy(h->text, text.p, text.len);
    h->text_len = text.len;
    return true;
}

static inline struct host_stored *host_find(struct host *h,
                                            const uint8_t identity[32])
{
    for (unsigned i = 0; i < h->stored_count; i++)
        if (memcmp(h->stored[i].s.identity, identity, 32) == 0)
            return &h->stored[i];
    return NULL;
}

static inline void host_remember(void *ctx, const struct stored_relay *relay)
{
    struct host *h = ctx;
    struct host_stored *s = host_find(h, relay->identity);

    if (s == NULL && h->stored_count < HOST_STORED)
        s = &h->stored[h->stored_count++];
    if (s == NULL)
        return;
    s->s = *relay;
    memcpy(s->text, relay->text.p, relay->text.len);
    s->s.text.p = s->text;
}

static inline void host_forget(void *ctx, const uint8_t identity[32])
{
    struct host *h = ctx;
    struct host_stored *s = host_find(h, identity);

    h->forgotten++;
    if (s == NULL)
        return;
    *s = h->stored[--h->stored_count];
    s->s.text.p = s->text;
}

static inline void host_rotate(void *ctx, uint8_t key[NOISE_KEY_BYTES])
{
    struct host *h = ctx;

    memset(key, (int)++h->rotations, NOISE_KEY_BYTES);
}

static inline enum error host_announce(void *ctx, const struct id *hash)
{
    struct host *h = ctx;

    if (h->dht_error != OK)
        return h->dht_error;
    h->announced++;
    h->announced_key = *hash;
    return OK;
}

static inline void host_withdraw(void *ctx, const struct id *hash)
{
    struct host *h = ctx;

    (void)hash;
    h->withdrawn++;
}

static inline enum error
host_get_peers(void *ctx, const struct id *hash,
               const struct dht_provider_handler *handler, uint64_t *request)
{
    struct host *h = ctx;

    h->lookups++;
    if (h->dht_error == ERR_FULL)
        return ERR_FULL;
    *request = h->lookups;
    if (h->slow)
        return OK;
    for (unsigned i = 0; i < h->peer_count && h->dht_error == OK; i++)
        if (id_equal(&h->peers[i].key, hash))
            handler->peer(handler->ctx, handler->cookie, &h->peers[i].ep);
    handler->done(handler->ctx, handler->cookie, h->dht_error);
    return OK;
}

static inline enum error host_put(void *ctx,
                                  const struct dht_provider_item *item)
{
    struct host *h = ctx;

    if (h->dht_error != OK)
        return h->dht_error;
    h->puts++;
    h->item = *item;
    h->value = *item->value;
    h->item.value = &h->value;
    return OK;
}

static inline enum error
host_get_item(void *ctx, const uint8_t key[32], struct bytes salt,
              const struct dht_provider_handler *handler, uint64_t *request)
{
    struct host *h = ctx;

    (void)salt;
    h->fetches++;
    *request = h->fetches;
    if (h->item.value != NULL && memcmp(h->item.key, key, 32) == 0)
        handler->item(handler->ctx, handler->cookie, &h->item);
    handler->done(handler->ctx, handler->cookie, OK);
    return OK;
}

static inline void host_cancel(void *ctx, uint64_t request)
{
    struct host *h = ctx;

    h->cancelled += request != 0;
}

static inline struct directory_env host_env(struct host *h)
{
    h->dht = (struct dht_provider){.ctx = h,
                                   .announce = host_announce,
                                   .withdraw = host_withdraw,
                                   .get_peers = host_get_peers,
                                   .put = host_put,
                                   .get_item = host_get_item,
                                   .cancel = host_cancel};
    return (struct directory_env){.ctx = h,
                                  .random = test_source(&h->random),
                                  .send = host_send,
                                  .send_cell = host_cell,
                                  .remember = host_remember,
                                  .forget = host_forget,
                                  .rotate = host_rotate,
                                  .dht = &h->dht};
}

static inline struct directory_config host_config(struct host *h)
{
    struct directory_config c;

    directory_config_init(&c);
    memcpy(c.network, TEST_NETWORK, sizeof(TEST_NETWORK));
    c.secret = h->secret;
    c.wanted_relays = c.wanted_exits = 0;
    test_identity(60000, c.identity, h->secret);
    return c;
}

/* With another configuration than host_config gives. */
static inline void host_start(struct host *h, const struct directory_config *c)
{
    struct directory_env env = host_env(h);

    if (directory_new(c, &env, h->now, &h->d) != OK)
        abort();
}

static inline void host_init(struct host *h, uint64_t seed)
{
    struct directory_config c;

    *h = (struct host){.random = {seed}, .now = TIME_HOUR, .wall = TEST_WALL};
    h->stored = calloc(HOST_STORED, sizeof(*h->stored));
    if (h->stored == NULL)
        abort();
    c = host_config(h);
    host_start(h, &c);
}

static inline void host_deinit(struct host *h)
{
    directory_free(h->d);
    free(h->stored);
}

/* A new life with what the old one remembered. */
static inline void host_restart(struct host *h,
                                const struct directory_config *c)
{
    unsigned count = h->stored_count;

    directory_free(h->d);
    host_start(h, c);
    for (unsigned i = 0; i < count; i++)
        if (directory_add_stored(h->d, &h->stored[i].s, (uint64_t)h->wall,
                                 h->now) != OK)
            abort();
}

static inline void host_tick(struct host *h)
{
    directory_tick(h->d, (uint64_t)h->wall, h->now);
}

static inline void host_pass(struct host *h, uint64_t duration)
{
    h->now += duration;
    h->wall += (int64_t)(duration / TIME_S);
}

/* Ticks at each deadline of the next `duration`; returns how many. */
static inline unsigned host_run(struct host *h, uint64_t duration)
{
    uint64_t end = h->now + duration, start = h->now;
    int64_t wall = h->wall;
    unsigned ticks = 0;

    for (;;) {
        uint64_t at = directory_next_deadline(h->d);

        if (at > end)
            break;
        if (at > h->now)
            h->now = at;
        h->wall = wall + (int64_t)((h->now - start) / TIME_S);
        host_tick(h);
        ticks++;
    }
    h->now = end;
    h->wall = wall + (int64_t)(duration / TIME_S);
    return ticks;
}

/* Adds relay `n` as if it came from the store. */
static inline enum error host_add(struct host *h, const struct descriptor *d,
                                  unsigned n)
{
    uint8_t text[DESCRIPTOR_MAX];
    struct stored_relay s = {.first_seen = (uint64_t)h->wall,
                             .last_seen = (uint64_t)h->wall};

    s.text = bytes_of(text, test_descriptor_text(d, n, text));
    return directory_add_stored(h->d, &s, (uint64_t)h->wall, h->now);
}

/* Relays first..first+count-1, each in its own /16, of these roles. */
static inline void host_add_many(struct host *h, unsigned first, unsigned count,
                                 uint8_t roles)
{
    for (unsigned n = first; n < first + count; n++) {
        struct descriptor d = test_descriptor(n);

        d.issued = (uint64_t)h->wall;
        d.expires = d.issued + DESCRIPTOR_LIFETIME_MAX;
        d.roles = roles;
        if (host_add(h, &d, n) != OK)
            abort();
    }
}

#endif
