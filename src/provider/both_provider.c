/* SPDX-License-Identifier: MIT
 *
 * A request has two halves, each a request to one of the two. While the second
 * one is being asked the first may have ended already, and the call counts as
 * starting until both have been: so it stays in memory, and `ask` tells its
 * end when there is nothing left to wait for.
 */
#include "provider/both_provider.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct both_call;

struct half {
    struct both_call *call;
    uint64_t request; /* at its DHT; 0 while that has not given it */
    bool asked, busy;
    enum error error; /* how it ended */
    unsigned peers;   /* that it was the first to tell */
};

struct both_call {
    struct provider_call call; /* first */
    struct half halves[2];
    bool asking; /* not all halves have been asked yet */
    bool has_item, has_counts;
    int64_t seq; /* of the newest item */
    struct dht_provider_counts counts;
    struct endpoint *peers; /* handed on so far */
    unsigned peer_count, peer_room;
};

/* ---- What the halves say ------------------------------------------------ */

/* False: no memory. */
static bool make_room(struct both_call *c)
{
    unsigned room = c->peer_room == 0 ? 16 : 2 * c->peer_room;
    struct endpoint *peers;

    if (c->peer_count < c->peer_room)
        return true;
    peers = realloc(c->peers, room * sizeof(*peers));
    if (peers == NULL)
        return false;
    c->peers = peers;
    c->peer_room = room;
    return true;
}

static bool was_told(const struct both_call *c, const struct endpoint *peer)
{
    for (unsigned i = 0; i < c->peer_count; i++)
        if (endpoint_equal(&c->peers[i], peer))
            return true;
    return false;
}

static void on_peer(void *ctx, uint64_t cookie, const struct endpoint *peer)
{
    struct half *half = ctx;
    struct both_call *c = half->call;
    const struct dht_provider_handler *h = &c->call.handler;

    (void)cookie;
    if (half->peers == BOTH_PEERS_MAX || was_told(c, peer) || !make_room(c))
        return;
    half->peers++;
    c->peers[c->peer_count++] = *peer;
    h->peer(h->ctx, h->cookie, peer);
}

static void on_item(void *ctx, uint64_t cookie,
                    const struct dht_provider_item *item)
{
    struct both_call *c = ((struct half *)ctx)->call;
    const struct dht_provider_handler *h = &c->call.handler;

    (void)cookie;
    if (c->has_item && item->seq <= c->seq)
        return;
    c->has_item = true;
    c->seq = item->seq;
    h->item(h->ctx, h->cookie, item);
}

static void on_counted(void *ctx, uint64_t cookie,
                       const struct dht_provider_counts *counts)
{
    struct both_call *c = ((struct half *)ctx)->call;

    (void)cookie;
    c->has_counts = true;
    c->counts.asked += counts->asked;
    c->counts.answered += counts->answered;
    c->counts.stored += counts->stored;
}

static enum error error_of(const struct both_call *c)
{
    const struct half *first = &c->halves[0], *second = &c->halves[1];

    if (!first->asked || !second->asked)
        return first->asked ? first->error : second->error;
    if (first->error == OK || second->error == OK)
        return OK;
    return second->error == ERR_SEQ ? ERR_SEQ : first->error;
}

/* Tells the end once both have ended. */
static void end(struct both_call *c)
{
    const struct dht_provider_handler *h = &c->call.handler;

    if (c->asking || c->halves[0].busy || c->halves[1].busy)
        return;
    free(c->peers);
    c->peers = NULL;
    if (c->has_counts && h->counted != NULL)
        h->counted(h->ctx, h->cookie, &c->counts);
    provider_call_done(&c->call, error_of(c));
}

static void on_done(void *ctx, uint64_t cookie, enum error e)
{
    struct half *half = ctx;

    (void)cookie;
    half->busy = false;
    half->error = e;
    end(half->call);
}

/* ---- Requests ----------------------------------------------------------- */

/* What becomes of something that both were given. */
static enum error of_both(enum error first, enum error second)
{
    if (first == OK || second == OK)
        return OK;
    return second == ERR_FULL ? second : first;
}

/* What is asked for: one of the three. */
struct wish {
    const struct id *hash; /* peers under it, */
    const struct dht_provider_item *put;
    const uint8_t *key; /* or the item under this key and salt */
    struct bytes salt;
};

static enum error ask_one(const struct dht_provider *dht,
                          const struct wish *wish,
                          const struct dht_provider_handler *handler,
                          uint64_t *request)
{
    if (wish->hash != NULL)
        return dht->get_peers(dht->ctx, wish->hash, handler, request);
    if (wish->put == NULL)
        return dht->get_item(dht->ctx, wish->key, wish->salt, handler, request);
    if (dht->put_once == NULL)
        return ERR_UNSUPPORTED;
    return dht->put_once(dht->ctx, wish->put, handler, request);
}

static enum error ask_half(struct both_provider *b, struct both_call *c,
                           unsigned i, const struct wish *wish)
{
    const struct dht_provider_handler *theirs = &c->call.handler;
    struct half *half = &c->halves[i];
    const struct dht_provider_handler handler = {
        .ctx = half,
        .peer = theirs->peer != NULL ? on_peer : NULL,
        .item = theirs->item != NULL ? on_item : NULL,
        .counted = on_counted,
        .done = on_done};
    uint64_t request = 0;
    enum error e;

    *half = (struct half){.call = c, .busy = true};
    e = ask_one(b->of[i], wish, &handler, &request);
    half->asked = e == OK;
    if (e != OK)
        half->busy = false;
    half->request = request;
    return e;
}

static enum error ask(struct both_provider *b, const struct wish *wish,
                      const struct dht_provider_handler *handler,
                      uint64_t *request)
{
    struct both_call *c = provider_call_new(&b->calls, sizeof(*c), b, handler);
    enum error first, e;

    if (c == NULL)
        return ERR_NO_MEMORY;
    c->call.under_way.id = ++b->last;
    c->asking = true;
    first = ask_half(b, c, 0, wish);
    e = of_both(first, ask_half(b, c, 1, wish));
    c->asking = false;
    if (e == OK)
        end(c); /* when both have ended while they were asked */
    return provider_call_started(&c->call, e, request);
}

static enum error get_peers(void *ctx, const struct id *hash,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    const struct wish wish = {.hash = hash};

    return ask(ctx, &wish, handler, request);
}

static enum error get_item(void *ctx, const uint8_t key[32], struct bytes salt,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    const struct wish wish = {.key = key, .salt = salt};

    return ask(ctx, &wish, handler, request);
}

static enum error put_once(void *ctx, const struct dht_provider_item *item,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    const struct wish wish = {.put = item};

    return ask(ctx, &wish, handler, request);
}

static void cancel(void *ctx, uint64_t request)
{
    struct both_provider *b = ctx;
    struct both_call *c = (struct both_call *)call_find(&b->calls, request);

    if (c == NULL)
        return;
    for (unsigned i = 0; i < 2; i++)
        if (c->halves[i].busy)
            b->of[i]->cancel(b->of[i]->ctx, c->halves[i].request);
    free(c->peers);
    provider_call_forget(&b->calls, request);
}

/* ---- What is published -------------------------------------------------- */

static enum error announce(void *ctx, const struct id *hash)
{
    const struct both_provider *b = ctx;
    enum error first = b->of[0]->announce(b->of[0]->ctx, hash);

    return of_both(first, b->of[1]->announce(b->of[1]->ctx, hash));
}

static void withdraw(void *ctx, const struct id *hash)
{
    const struct both_provider *b = ctx;

    for (unsigned i = 0; i < 2; i++)
        b->of[i]->withdraw(b->of[i]->ctx, hash);
}

static enum error put(void *ctx, const struct dht_provider_item *item)
{
    const struct both_provider *b = ctx;
    enum error first = b->of[0]->put(b->of[0]->ctx, item);

    return of_both(first, b->of[1]->put(b->of[1]->ctx, item));
}

void both_provider_init(struct both_provider *b,
                        const struct dht_provider *first,
                        const struct dht_provider *second)
{
    bool puts_once = first->put_once != NULL || second->put_once != NULL;

    assert(first != second);
    *b = (struct both_provider){.of = {first, second}};
    calls_init(&b->calls);
    b->provider = (struct dht_provider){.ctx = b,
                                        .anonymous = first->anonymous &&
                                                     second->anonymous,
                                        .announce = announce,
                                        .withdraw = withdraw,
                                        .get_peers = get_peers,
                                        .put = put,
                                        .put_once = puts_once ? put_once : NULL,
                                        .get_item = get_item,
                                        .cancel = cancel};
}

void both_provider_deinit(struct both_provider *b)
{
    if (b->of[0] == NULL)
        return; /* never began */
    while (!TAILQ_EMPTY(&b->calls))
        cancel(b, TAILQ_FIRST(&b->calls)->id);
}
