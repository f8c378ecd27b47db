/* SPDX-License-Identifier: MIT */
#include "node/dht_bridge.h"

#include "node/clock.h"
#include "node/dht_host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct request {
    LIST_ENTRY(request) link;
    struct dht_bridge *bridge;
    struct dht_provider_handler handler;
    dht_request id;
    bool starting; /* the call that makes it has not returned */
    bool ended;
};

struct dht_bridge {
    struct dht_provider provider;
    struct dht_host *host;
    struct dht_bridge_handler handler;
    LIST_HEAD(, request) running;
    unsigned count;
};

static const struct dht_handler nobody = {0};

static void drop(struct request *r)
{
    LIST_REMOVE(r, link);
    r->bridge->count--;
    free(r);
}

/* ---- Answers ----------------------------------------------------------- */

static void on_peer(void *ctx, const struct endpoint *peer,
                    const struct dht_step *found_by)
{
    struct request *r = ctx;

    (void)found_by;
    if (r->handler.peer != NULL)
        r->handler.peer(r->handler.ctx, r->handler.cookie, peer);
}

static void on_item(void *ctx, const struct dht_item *item,
                    const struct dht_step *found_by)
{
    struct request *r = ctx;
    struct dht_provider_item told = {
        .salt = item->salt, .seq = item->seq, .value = item->value};

    (void)found_by;
    if (r->handler.item == NULL || !item->mutable_item)
        return;
    memcpy(told.key, item->key, sizeof(told.key));
    memcpy(told.signature, item->signature, sizeof(told.signature));
    r->handler.item(r->handler.ctx, r->handler.cookie, &told);
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct request *r = ctx;
    struct dht_bridge *b = r->bridge;
    struct dht_provider_handler handler = r->handler;
    bool peers = handler.peer != NULL;

    r->ended = true;
    if (!r->starting)
        drop(r);
    if (handler.done != NULL)
        handler.done(handler.ctx, handler.cookie, result->error);
    for (size_t i = 0; peers && i < result->closest_count; i++)
        b->handler.met(b->handler.arg, &result->closest[i].ep);
    b->handler.answered(b->handler.arg);
}

/* ---- The table --------------------------------------------------------- */

static struct request *begin(struct dht_bridge *b,
                             const struct dht_provider_handler *handler)
{
    struct request *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->bridge = b;
    r->handler = *handler;
    r->starting = true;
    LIST_INSERT_HEAD(&b->running, r, link);
    b->count++;
    return r;
}

/* The engine has taken the request, or not (`e`). */
static enum error begun(struct request *r, enum error e, uint64_t *request)
{
    struct dht_bridge *b = r->bridge;

    r->starting = false;
    if (e == OK)
        *request = r->id;
    if (e != OK || r->ended)
        drop(r);
    dht_host_rearm(b->host);
    return e;
}

static enum error get_peers(void *ctx, const struct id *hash,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    struct dht_bridge *b = ctx;
    struct dht_handler h = {.peer = on_peer, .done = on_done};
    struct request *r;

    if (b->count == DHT_BRIDGE_REQUESTS)
        return ERR_FULL;
    r = begin(b, handler);
    if (r == NULL)
        return ERR_NO_MEMORY;
    h.ctx = r;
    return begun(
        r,
        dht_get_peers(dht_host_engine(b->host), hash, &h, clock_now(), &r->id),
        request);
}

static enum error get_item(void *ctx, const uint8_t key[32], struct bytes salt,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    struct dht_bridge *b = ctx;
    struct dht_handler h = {.item = on_item, .done = on_done};
    struct dht_item wanted = {.mutable_item = true, .salt = salt};
    struct request *r;
    struct id target;

    if (b->count == DHT_BRIDGE_REQUESTS)
        return ERR_FULL;
    r = begin(b, handler);
    if (r == NULL)
        return ERR_NO_MEMORY;
    h.ctx = r;
    memcpy(wanted.key, key, sizeof(wanted.key));
    dht_item_target(&wanted, &target);
    return begun(r,
                 dht_get_item(dht_host_engine(b->host), &target, salt, &h,
                              clock_now(), &r->id),
                 request);
}

static enum error announce(void *ctx, const struct id *hash)
{
    struct dht_bridge *b = ctx;
    dht_request request;
    enum error e = dht_announce(dht_host_engine(b->host), hash, 0, true,
                                &nobody, clock_now(), &request);

    dht_host_rearm(b->host);
    return e;
}

static void withdraw(void *ctx, const struct id *hash)
{
    struct dht_bridge *b = ctx;

    dht_withdraw(dht_host_engine(b->host), hash);
}

static enum error put(void *ctx, const struct dht_provider_item *item)
{
    struct dht_bridge *b = ctx;
    struct dht_item ours = {.mutable_item = true,
                            .seq = item->seq,
                            .salt = item->salt,
                            .value = item->value};
    dht_request request;
    enum error e;

    memcpy(ours.key, item->key, sizeof(ours.key));
    memcpy(ours.signature, item->signature, sizeof(ours.signature));
    e = dht_put(dht_host_engine(b->host), &ours, NULL, &nobody, clock_now(),
                &request);
    dht_host_rearm(b->host);
    return e;
}

static void cancel(void *ctx, uint64_t request)
{
    struct dht_bridge *b = ctx;
    struct request *r;

    LIST_FOREACH(r, &b->running, link)
    {
        if (r->id != request || r->starting)
            continue;
        dht_cancel(dht_host_engine(b->host), r->id);
        drop(r);
        return;
    }
}

/* ---- Life -------------------------------------------------------------- */

struct dht_bridge *dht_bridge_new(struct dht_host *host,
                                  const struct dht_bridge_handler *handler)
{
    struct dht_bridge *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return NULL;
    b->host = host;
    b->handler = *handler;
    LIST_INIT(&b->running);
    b->provider = (struct dht_provider){.ctx = b,
                                        .announce = announce,
                                        .withdraw = withdraw,
                                        .get_peers = get_peers,
                                        .put = put,
                                        .get_item = get_item,
                                        .cancel = cancel};
    return b;
}

void dht_bridge_free(struct dht_bridge *b)
{
    if (b == NULL)
        return;
    while (!LIST_EMPTY(&b->running))
        cancel(b, LIST_FIRST(&b->running)->id);
    free(b);
}

const struct dht_provider *dht_bridge_provider(const struct dht_bridge *b)
{
    return &b->provider;
}
