/* SPDX-License-Identifier: MIT */
#include "provider/provider_call.h"

#include <stdlib.h>

void *provider_call_new(struct provider_calls *calls, size_t size, void *owner,
                        const struct dht_provider_handler *handler)
{
    struct provider_call *call = calloc(1, size);

    if (call == NULL)
        return NULL;
    call->owner = owner;
    call->handler = *handler;
    call->starting = true;
    LIST_INSERT_HEAD(calls, call, link);
    return call;
}

static void drop(struct provider_call *call)
{
    LIST_REMOVE(call, link);
    free(call);
}

enum error provider_call_started(struct provider_call *call, enum error e,
                                 uint64_t *request)
{
    call->starting = false;
    if (e == OK)
        *request = call->id;
    if (e != OK || call->ended)
        drop(call);
    return e;
}

void provider_call_done(struct provider_call *call, enum error e)
{
    struct dht_provider_handler handler = call->handler;

    call->ended = true;
    if (!call->starting)
        drop(call);
    handler.done(handler.ctx, handler.cookie, e);
}

bool provider_call_forget(struct provider_calls *calls, uint64_t id)
{
    struct provider_call *call;

    LIST_FOREACH(call, calls, link)
    {
        if (call->id == id && !call->starting) {
            drop(call);
            return true;
        }
    }
    return false;
}
