/* SPDX-License-Identifier: MIT
 *
 * Each function of the table starts a request of the DHT's with a handler that
 * passes the answers on. What has ended wakes whoever armed a timer for either
 * engine (`changed`).
 */
#include "provider/builtin_provider.h"

#include <string.h>

static void on_peer(void *ctx, const struct endpoint *peer,
                    const struct dht_step *found_by)
{
    struct provider_call *call = ctx;

    (void)found_by;
    if (call->handler.peer != NULL)
        call->handler.peer(call->handler.ctx, call->handler.cookie, peer);
}

static void on_item(void *ctx, const struct dht_item *item,
                    const struct dht_step *found_by)
{
    struct provider_call *call = ctx;
    struct dht_provider_item out = {
        .salt = item->salt, .seq = item->seq, .value = item->value};

    (void)found_by;
    if (!item->mutable_item || call->handler.item == NULL)
        return;
    memcpy(out.key, item->key, sizeof(out.key));
    memcpy(out.signature, item->signature, sizeof(out.signature));
    call->handler.item(call->handler.ctx, call->handler.cookie, &out);
}

static void changed(const struct builtin_provider *b)
{
    if (b->changed != NULL)
        b->changed(b->ctx);
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct provider_call *call = ctx;
    const struct builtin_provider *b = call->owner;
    bool peers = call->handler.peer != NULL;
    const struct dht_provider_counts counts = {result->asked, result->answered,
                                               result->stored};

    if (call->handler.counted != NULL)
        call->handler.counted(call->handler.ctx, call->handler.cookie, &counts);
    provider_call_done(call, result->error); /* `call` is gone */
    for (size_t i = 0; i < result->closest_count; i++)
        if (b->met != NULL && peers)
            b->met(b->ctx, &result->closest[i].ep);
    changed(b);
}

static struct provider_call *add(struct builtin_provider *b,
                                 const struct dht_provider_handler *handler)
{
    return provider_call_new(&b->calls, sizeof(struct provider_call), b,
                             handler);
}

static struct dht_handler handler_of(struct provider_call *call)
{
    return (struct dht_handler){
        .ctx = call, .peer = on_peer, .item = on_item, .done = on_done};
}

/* What every request ends its beginning with. */
static enum error started(struct builtin_provider *b,
                          struct provider_call *call, enum error e,
                          uint64_t *request)
{
    e = provider_call_started(call, e, request);
    if (e == OK)
        changed(b);
    return e;
}

static enum error get_peers(void *ctx, const struct id *hash,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    struct builtin_provider *b = ctx;
    struct provider_call *call = add(b, handler);
    struct dht_handler h;
    enum error e;

    if (call == NULL)
        return ERR_NO_MEMORY;
    h = handler_of(call);
    e = dht_get_peers(b->dht, hash, &h, b->now(b->ctx), &call->under_way.id);
    return started(b, call, e, request);
}

static enum error get_item(void *ctx, const uint8_t key[32], struct bytes salt,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    struct builtin_provider *b = ctx;
    struct provider_call *call = add(b, handler);
    struct dht_item named = {.mutable_item = true, .salt = salt};
    struct dht_handler h;
    struct id target;
    enum error e;

    if (call == NULL)
        return ERR_NO_MEMORY;
    memcpy(named.key, key, sizeof(named.key));
    dht_item_target(&named, &target);
    h = handler_of(call);
    e = dht_get_item(b->dht, &target, salt, &h, b->now(b->ctx),
                     &call->under_way.id);
    return started(b, call, e, request);
}

static void cancel(void *ctx, uint64_t request)
{
    struct builtin_provider *b = ctx;

    if (provider_call_forget(&b->calls, request))
        dht_cancel(b->dht, request);
}

static enum error announce(void *ctx, const struct id *hash)
{
    struct builtin_provider *b = ctx;
    dht_request id;
    enum error e =
        dht_announce(b->dht, hash, 0, true, NULL, b->now(b->ctx), &id);

    changed(b);
    return e;
}

static void withdraw(void *ctx, const struct id *hash)
{
    struct builtin_provider *b = ctx;

    dht_withdraw(b->dht, hash);
}

static struct dht_item item_of(const struct dht_provider_item *item)
{
    struct dht_item out = {.mutable_item = true,
                           .seq = item->seq,
                           .salt = item->salt,
                           .value = item->value};

    memcpy(out.key, item->key, sizeof(out.key));
    memcpy(out.signature, item->signature, sizeof(out.signature));
    return out;
}

static enum error put_once(void *ctx, const struct dht_provider_item *item,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    struct builtin_provider *b = ctx;
    struct provider_call *call = add(b, handler);
    const struct dht_item out = item_of(item);
    struct dht_handler h;
    enum error e;

    if (call == NULL)
        return ERR_NO_MEMORY;
    h = handler_of(call);
    h.item = NULL; /* what is out there is not what was asked for */
    e = dht_put_once(b->dht, &out, &h, b->now(b->ctx), &call->under_way.id);
    return started(b, call, e, request);
}

static enum error put(void *ctx, const struct dht_provider_item *item)
{
    struct builtin_provider *b = ctx;
    const struct dht_item out = item_of(item);
    dht_request id;
    enum error e;

    e = dht_put(b->dht, &out, NULL, NULL, b->now(b->ctx), &id);
    changed(b);
    return e;
}

void builtin_provider_init(struct builtin_provider *b, struct dht *dht,
                           uint64_t (*now)(void *ctx), void *ctx)
{
    *b = (struct builtin_provider){.dht = dht, .ctx = ctx, .now = now};
    calls_init(&b->calls);
    b->provider = (struct dht_provider){.ctx = b,
                                        .announce = announce,
                                        .withdraw = withdraw,
                                        .get_peers = get_peers,
                                        .put = put,
                                        .put_once = put_once,
                                        .get_item = get_item,
                                        .cancel = cancel};
}

void builtin_provider_deinit(struct builtin_provider *b)
{
    if (b->dht == NULL)
        return; /* never began */
    while (!TAILQ_EMPTY(&b->calls))
        cancel(b, TAILQ_FIRST(&b->calls)->id);
}
