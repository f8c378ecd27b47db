/* SPDX-License-Identifier: MIT
 *
 * What a provider_call adds to a call (base/table/call.h): the handler of
 * whoever asked. It is copied before the call ends, because it is called after
 * that.
 */
#include "provider/provider_call.h"

void *provider_call_new(struct calls *calls, size_t size, void *owner,
                        const struct dht_provider_handler *handler)
{
    struct provider_call *call = call_new(calls, size);

    if (call == NULL)
        return NULL;
    call->calls = calls;
    call->owner = owner;
    call->handler = *handler;
    return call;
}

enum error provider_call_started(struct provider_call *call, enum error e,
                                 uint64_t *request)
{
    if (e == OK)
        *request = call->under_way.id;
    call_started(call->calls, &call->under_way, e == OK);
    return e;
}

void provider_call_done(struct provider_call *call, enum error e)
{
    struct dht_provider_handler handler = call->handler;

    call_end(call->calls, &call->under_way);
    handler.done(handler.ctx, handler.cookie, e);
}

bool provider_call_forget(struct calls *calls, uint64_t id)
{
    struct call *call = call_find(calls, id);

    if (call != NULL)
        call_end(calls, call);
    return call != NULL;
}
