/* SPDX-License-Identifier: MIT
 *
 * Requests that are one find_node and its answer (dht_ask): a query without a
 * lookup around it. A walk through a network has many of them in flight at
 * nodes that are not there any more, so they have a cap of their own, below
 * that of all queries: lookups and upkeep go on beside it.
 */
#include "dht/dht_parts.h"

#include <stdlib.h>

#define SHARE 4 /* of max_pending: one in so many */

struct ask_request {
    struct ask_request *next;
    struct dht *d;
    struct caller caller;
    struct endpoint to;
};

static struct callbacks *callbacks_of(const struct ask_request *r)
{
    return &r->d->world.callbacks;
}

static void free_ask(struct ask_request *r)
{
    struct ask_request **at = &r->d->asks;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    r->d->ask_count--;
    free(r);
}

void asks_free(struct dht *d)
{
    while (d->asks != NULL)
        free_ask(d->asks);
}

void ask_cancel(struct dht *d, dht_request request)
{
    struct ask_request *r = d->asks;

    while (r != NULL && r->caller.request != request)
        r = r->next;
    if (r == NULL)
        return;
    callbacks_forget(callbacks_of(r), &r->caller);
    queries_leave(&d->queries, r);
    free_ask(r);
}

/* ---- The end of its query ------------------------------------------------ */

static void end(struct ask_request *r, struct dht_result *result)
{
    result->asked = 1;
    callbacks_done(callbacks_of(r), &r->caller, result);
    free_ask(r);
}

static void on_answered(void *ctx, uint8_t tag, const struct dht_message *m,
                        uint64_t rtt)
{
    struct ask_request *r = ctx;
    const struct dht_answer answer = {
        .id = m->id,
        .from = r->to,
        .rtt = rtt,
        .version = m->version,
        .nodes = {m->nodes, m->nodes6},
    };
    struct dht_result result = {
        .answered = 1, .hops = 1, .duration = rtt, .closest_count = 1};

    (void)tag;
    result.closest[0].id = m->id;
    result.closest[0].ep = r->to;
    callbacks_answer(callbacks_of(r), &r->caller, &answer);
    end(r, &result);
}

static void on_refused(void *ctx, uint8_t tag, enum error why)
{
    struct dht_result result = {.error = ERR_REMOTE};

    (void)tag;
    (void)why;
    end(ctx, &result);
}

static void on_failed(void *ctx, uint8_t tag, enum error why)
{
    struct dht_result result = {.error = why};

    (void)tag;
    end(ctx, &result);
}

/* It may answer yet. */
static void on_slow(void *ctx, uint8_t tag)
{
    (void)ctx;
    (void)tag;
}

static const struct query_owner owner = {on_answered, on_refused, on_slow,
                                         on_failed};

/* ---- Asking -------------------------------------------------------------- */

static unsigned most(const struct dht *d)
{
    unsigned share = d->world.config.max_pending / SHARE;

    return share > 0 ? share : 1;
}

static enum error new_ask(struct dht *d, const struct endpoint *ep,
                          void (*answer)(void *ctx, const struct dht_answer *),
                          const struct dht_handler *handler,
                          struct ask_request **out)
{
    struct ask_request *r;
    enum error err;

    if (d->ask_count >= most(d))
        return ERR_FULL;
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NO_MEMORY;
    err = world_new_caller(&d->world, handler, &r->caller);
    if (err != OK) {
        free(r);
        return err;
    }
    r->caller.answer = answer;
    r->d = d;
    r->to = *ep;
    r->next = d->asks;
    d->asks = r;
    d->ask_count++;
    *out = r;
    return OK;
}

static enum error send(struct ask_request *r, const struct id *target)
{
    const bool *family = r->d->world.config.family;
    struct query q = {.to = r->to, .owner = &owner, .ctx = r};
    struct dht_message m;

    dht_message_init(&m, DHT_QUERY);
    m.method = DHT_FIND_NODE;
    m.target = *target;
    m.has |= DHT_HAS_TARGET;
    if (family[FAMILY_IPV4] && family[FAMILY_IPV6]) {
        m.want[FAMILY_IPV4] = m.want[FAMILY_IPV6] = true;
        m.has |= DHT_HAS_WANT;
    }
    return query_send(&r->d->queries, &m, q);
}

enum error dht_ask(struct dht *d, const struct endpoint *ep,
                   const struct id *target,
                   void (*answer)(void *ctx, const struct dht_answer *),
                   const struct dht_handler *handler, uint64_t now,
                   dht_request *out)
{
    enum error err = dht_check_endpoint(d, ep);
    struct ask_request *r;

    if (err != OK)
        return err;
    dht_enter(d, now);
    err = new_ask(d, ep, answer, handler, &r);
    if (err == OK) {
        dht_request request = r->caller.request;

        err = send(r, target);
        if (err != OK) {
            callbacks_forget(callbacks_of(r), &r->caller);
            free_ask(r);
        } else if (out != NULL) {
            *out = request;
        }
    }
    dht_leave(d);
    return err;
}
