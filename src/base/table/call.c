/* SPDX-License-Identifier: MIT
 *
 * call_started frees a call that was refused, or that has ended while it was
 * starting (`ended`); call_end frees all others. Calls are few: one is found by
 * walking the list.
 */
#include "base/table/call.h"

#include <stdlib.h>

void calls_init(struct calls *calls)
{
    TAILQ_INIT(calls);
}

void *call_new(struct calls *calls, size_t size)
{
    struct call *call = calloc(1, size);

    if (call == NULL)
        return NULL;
    call->starting = true;
    TAILQ_INSERT_TAIL(calls, call, link);
    return call;
}

static void drop(struct calls *calls, struct call *call)
{
    TAILQ_REMOVE(calls, call, link);
    free(call);
}

bool call_started(struct calls *calls, struct call *call, bool taken)
{
    call->starting = false;
    if (taken && !call->ended)
        return true;
    drop(calls, call);
    return false;
}

void call_end(struct calls *calls, struct call *call)
{
    call->ended = true;
    if (!call->starting)
        drop(calls, call);
}

struct call *call_find(const struct calls *calls, uint64_t id)
{
    struct call *call;

    TAILQ_FOREACH(call, calls, link)
    {
        if (call->id == id && !call->starting && !call->ended)
            return call;
    }
    return NULL;
}
