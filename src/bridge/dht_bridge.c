/* SPDX-License-Identifier: MIT */
#include "bridge/dht_bridge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A request of the tunnel that the DHT works on. */
struct bridge_call {
    struct dht_bridge *bridge;
    struct dht_provider_handler handler;
    dht_request id;
    struct bridge_call *next;
    struct bridge_call **prev;
};

static void drop(struct bridge_call *call)
{
    if (call->next != NULL)
        call->next->prev = call->prev;
    *call->prev = call->next;
    free(call);
}

static void on_peer(void *ctx, const struct endpoint *peer,
                    const struct dht_step *found_by)
{
    struct bridge_call *call = ctx;

    (void)found_by;
    if (call->handler.peer != NULL)
        call->handler.peer(call->handler.ctx, call->handler.cookie, peer);
}

static void on_item(void *ctx, const struct dht_item *item,
                    const struct dht_step *found_by)
{
    struct bridge_call *call = ctx;
    struct dht_provider_item out = {
        .salt = item->salt, .seq = item->seq, .value = item->value};

    (void)found_by;
    if (!item->mutable_item || call->handler.item == NULL)
        return;
    memcpy(out.key, item->key, sizeof(out.key));
    memcpy(out.signature, item->signature, sizeof(out.signature));
    call->handler.item(call->handler.ctx, call->handler.cookie, &out);
}

static void changed(const struct dht_bridge *b)
{
    if (b->changed != NULL)
        b->changed(b->ctx);
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct bridge_call *call = ctx;
    struct dht_provider_handler handler = call->handler;
    const struct dht_bridge *b = call->bridge;

    drop(call);
    if (handler.done != NULL)
        handler.done(handler.ctx, handler.cookie, result->error);
    for (size_t i = 0; i < result->closest_count; i++)
        if (b->met != NULL && handler.peer != NULL)
            b->met(b->ctx, &result->closest[i].ep);
    changed(b);
}

static struct bridge_call *add(struct dht_bridge *b,
                               const struct dht_provider_handler *handler)
{
    struct bridge_call *call = calloc(1, sizeof(struct bridge_call));

    if (call == NULL)
        return NULL;
    call->bridge = b;
    call->handler = *handler;
    call->next = b->calls;
    call->prev = &b->calls;
    if (b->calls != NULL)
        b->calls->prev = &call->next;
    b->calls = call;
    return call;
}

static struct dht_handler handler_of(struct bridge_call *call)
{
    return (struct dht_handler){
        .ctx = call, .peer = on_peer, .item = on_item, .done = on_done};
}

/* A request may be over before the DHT has named it. */
static bool is_under_way(const struct dht_bridge *b,
                         const struct bridge_call *call)
{
    for (const struct bridge_call *c = b->calls; c != NULL; c = c->next) {
        if (c == call)
            return true;
    }
    return false;
}

static enum error started(struct dht_bridge *b, struct bridge_call *call,
                          enum error e, dht_request id, uint64_t *request)
{
    if (e != OK) {
        drop(call);
        return e;
    }
    if (is_under_way(b, call))
        call->id = id;
    *request = id;
    changed(b);
    return OK;
}

static enum error get_peers(void *ctx, const struct id *hash,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    struct dht_bridge *b = ctx;
    struct bridge_call *call = add(b, handler);
    struct dht_handler h;
    dht_request id = 0;
    enum error e;

    if (call == NULL)
        return ERR_NO_MEMORY;
    h = handler_of(call);
    e = dht_get_peers(b->dht, hash, &h, b->now(b->ctx), &id);
    return started(b, call, e, id, request);
}

static enum error get_item(void *ctx, const uint8_t key[32], struct bytes salt,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    struct dht_bridge *b = ctx;
    struct bridge_call *call = add(b, handler);
    struct dht_item named = {.mutable_item = true, .salt = salt};
    struct dht_handler h;
    dht_request id = 0;
    struct id target;
    enum error e;

    if (call == NULL)
        return ERR_NO_MEMORY;
    memcpy(named.key, key, sizeof(named.key));
    dht_item_target(&named, &target);
    h = handler_of(call);
    e = dht_get_item(b->dht, &target, salt, &h, b->now(b->ctx), &id);
    return started(b, call, e, id, request);
}

static void cancel(void *ctx, uint64_t request)
{
    struct dht_bridge *b = ctx;

    for (struct bridge_call *c = b->calls; c != NULL; c = c->next) {
        if (c->id != request)
            continue;
        dht_cancel(b->dht, request);
        drop(c);
        return;
    }
}

static enum error announce(void *ctx, const struct id *hash)
{
    struct dht_bridge *b = ctx;
    dht_request id;
    enum error e =
        dht_announce(b->dht, hash, 0, true, NULL, b->now(b->ctx), &id);

    changed(b);
    return e;
}

static void withdraw(void *ctx, const struct id *hash)
{
    struct dht_bridge *b = ctx;

    dht_withdraw(b->dht, hash);
}

static enum error put(void *ctx, const struct dht_provider_item *item)
{
    struct dht_bridge *b = ctx;
    struct dht_item out = {.mutable_item = true,
                           .seq = item->seq,
                           .salt = item->salt,
                           .value = item->value};
    dht_request id;
    enum error e;

    memcpy(out.key, item->key, sizeof(out.key));
    memcpy(out.signature, item->signature, sizeof(out.signature));
    e = dht_put(b->dht, &out, NULL, NULL, b->now(b->ctx), &id);
    changed(b);
    return e;
}

void dht_bridge_init(struct dht_bridge *b, struct dht *dht,
                     uint64_t (*now)(void *ctx), void *ctx)
{
    *b = (struct dht_bridge){.dht = dht, .ctx = ctx, .now = now};
    b->provider = (struct dht_provider){.ctx = b,
                                        .announce = announce,
                                        .withdraw = withdraw,
                                        .get_peers = get_peers,
                                        .put = put,
                                        .get_item = get_item,
                                        .cancel = cancel};
}

void dht_bridge_deinit(struct dht_bridge *b)
{
    while (b->calls != NULL) {
        dht_cancel(b->dht, b->calls->id);
        drop(b->calls);
    }
}
