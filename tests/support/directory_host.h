/* SPDX-License-Identifier: MIT
 *
 * A directory with all that is around it: what it sends, remembers and
 * publishes is kept here, and a DHT in which endpoints lie under keys.
 */
#ifndef WARREN_TESTS_DIRECTORY_HOST_H
#define WARREN_TESTS_DIRECTORY_HOST_H

#include "descriptor_data.h"

#include "tunnel/directory/directory.h"

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

    unsigned told; /* to those whom it asks for */
    struct endpoint told_of;
    uint8_t told_text[DESCRIPTOR_MAX];
    size_t told_len;

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

static inline void host_told(void *ctx, const struct endpoint *ep,
                             struct bytes text, uint64_t now)
{
    struct host *h = ctx;

    (void)now;
    h->told++;
    h->told_of = *ep;
    if (text.len > 0)
        memcpy(h->told_text, text.p, text.len);
    h->told_len = text.len;
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

#endif
