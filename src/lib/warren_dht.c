/* SPDX-License-Identifier: MIT */
#include "lib/warren_internal.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"

#include <stdlib.h>
#include <string.h>

struct warren_request {
    LIST_ENTRY(warren_request) link;
    struct warren_dht_handler handler;
    dht_request id;
};

static void end(struct warren_request *r, int error,
                const struct warren_dht_result *result)
{
    struct warren_dht_handler handler = r->handler;

    /* First, so that `done` may cancel it without effect. */
    LIST_REMOVE(r, link);
    free(r);
    if (handler.done != NULL)
        handler.done(handler.arg, error, result);
}

static void on_peer(void *ctx, const struct endpoint *peer,
                    const struct dht_step *found_by)
{
    const struct warren_request *r = ctx;
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(peer, &sa);

    (void)found_by;
    if (r->handler.peer != NULL)
        r->handler.peer(r->handler.arg, (struct sockaddr *)&sa, len);
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct warren_dht_result r = {.asked = result->asked,
                                  .answered = result->answered,
                                  .hops = result->hops,
                                  .peers = result->values,
                                  .stored = result->stored,
                                  .duration = result->duration};

    end(ctx, lib_error_of(result->error), &r);
}

void warren_requests_end(struct warren *w)
{
    static const struct warren_dht_result nothing;
    struct warren_request *r;

    while ((r = LIST_FIRST(&w->requests)) != NULL) {
        dht_cancel(dht_host_engine(w->node->dht), r->id);
        end(r, WARREN_ERR_CANCELLED, &nothing);
    }
}

/* ---- Requests ----------------------------------------------------------- */

static struct id hash_of(const uint8_t hash[20])
{
    struct id id;

    _Static_assert(sizeof(id) == 20, "of one length");
    memcpy(&id, hash, sizeof(id));
    return id;
}

/* What the engine is asked; it calls `done` later only. */
typedef enum error ask_fn(struct dht_host *host, const struct id *hash,
                          uint16_t port, const struct dht_handler *h,
                          dht_request *id);

static int ask(struct warren *w, ask_fn *what, const uint8_t hash[20],
               uint16_t port, const struct warren_dht_handler *handler,
               uint64_t *request)
{
    struct warren_request *r = calloc(1, sizeof(*r));
    struct dht_handler h = {.ctx = r, .peer = on_peer, .done = on_done};
    struct id id = hash_of(hash);
    enum error e;

    if (r == NULL)
        return WARREN_ERR_NO_MEMORY;
    if (handler != NULL)
        r->handler = *handler;
    e = what(w->node->dht, &id, port, &h, &r->id);
    dht_host_rearm(w->node->dht);
    if (e != OK) {
        free(r);
        return lib_error_of(e);
    }
    LIST_INSERT_HEAD(&w->requests, r, link);
    if (request != NULL)
        *request = r->id;
    return WARREN_OK;
}

static enum error get_peers(struct dht_host *host, const struct id *hash,
                            uint16_t port, const struct dht_handler *h,
                            dht_request *id)
{
    (void)port;
    return dht_get_peers(dht_host_engine(host), hash, h, clock_now(), id);
}

int warren_dht_get_peers(struct warren *w, const uint8_t hash[20],
                         const struct warren_dht_handler *handler,
                         uint64_t *request)
{
    return ask(w, get_peers, hash, 0, handler, request);
}

static enum error announce(struct dht_host *host, const struct id *hash,
                           uint16_t port, const struct dht_handler *h,
                           dht_request *id)
{
    return dht_host_announce(host, hash, port, port == 0, h, id);
}

int warren_dht_announce(struct warren *w, const uint8_t hash[20], uint16_t port,
                        const struct warren_dht_handler *handler,
                        uint64_t *request)
{
    return ask(w, announce, hash, port, handler, request);
}

int warren_dht_withdraw(struct warren *w, const uint8_t hash[20])
{
    struct id id = hash_of(hash);
    enum error e = dht_host_withdraw(w->node->dht, &id);

    dht_host_rearm(w->node->dht);
    return lib_error_of(e);
}

void warren_dht_cancel(struct warren *w, uint64_t request)
{
    struct warren_request *r;

    LIST_FOREACH(r, &w->requests, link)
    {
        if (r->id == request)
            break;
    }
    if (r == NULL)
        return;
    dht_cancel(dht_host_engine(w->node->dht), request);
    dht_host_rearm(w->node->dht);
    LIST_REMOVE(r, link);
    free(r);
}
