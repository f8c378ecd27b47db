/* SPDX-License-Identifier: MIT
 *
 * The requests of the interface. Those that look something up are kept here, as
 * clients of their lookups: what these find is put into the queue of callbacks.
 * Those that publish are passed on (publish.h).
 */
#include "dht/dht_parts.h"

#include <stdlib.h>

struct lookup_request {
    struct lookup_request *next;
    struct dht *d;
    struct caller caller;
    struct lookup *lookup;
};

static struct callbacks *callbacks_of(const struct lookup_request *r)
{
    return &r->d->world.callbacks;
}

static void free_request(struct lookup_request *r)
{
    struct lookup_request **at = &r->d->requests;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    r->d->request_count--;
    free(r);
}

void requests_free(struct dht *d)
{
    while (d->requests != NULL)
        free_request(d->requests);
}

/* ---- The client of a lookup ---------------------------------------------- */

static bool request_seed(void *ctx, struct lookup *l, enum family f)
{
    const struct lookup_request *r = ctx;

    return join_seed(&r->d->maintain, l, f, 2);
}

static void request_found(void *ctx, const struct lookup_find *what,
                          const struct dht_step *by)
{
    const struct lookup_request *r = ctx;

    if (what->peer != NULL)
        callbacks_peer(callbacks_of(r), &r->caller, what->peer, by);
    if (what->item != NULL)
        callbacks_item(callbacks_of(r), &r->caller, what->item, by);
    if (what->samples != NULL)
        callbacks_samples(callbacks_of(r), &r->caller, what->samples);
}

static void request_step(void *ctx, const struct dht_step *step)
{
    const struct lookup_request *r = ctx;

    callbacks_step(callbacks_of(r), &r->caller, step);
}

static void request_ended(void *ctx, struct lookup *l,
                          const struct dht_result *result)
{
    struct lookup_request *r = ctx;

    (void)l;
    callbacks_done(callbacks_of(r), &r->caller, result);
    free_request(r);
}

static const struct lookup_client client = {
    .seed = request_seed,
    .found = request_found,
    .step = request_step,
    .ended = request_ended,
};

/* ---- Beginning ----------------------------------------------------------- */

static enum error new_request(struct dht *d, const struct dht_handler *handler,
                              struct lookup_request **out)
{
    struct lookup_request *r;
    enum error err;

    if (d->request_count >= d->world.config.max_lookups)
        return ERR_FULL;
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NO_MEMORY;
    err = world_new_caller(&d->world, handler, &r->caller);
    if (err != OK) {
        free(r);
        return err;
    }
    r->d = d;
    r->next = d->requests;
    d->requests = r;
    d->request_count++;
    *out = r;
    return OK;
}

/* A lookup, or one query to `ep`, if it is not NULL. */
static enum error start(struct lookup_request *r, struct lookup_params *p,
                        const struct endpoint *ep, dht_request *out)
{
    struct lookups *lookups = &r->d->lookups;
    enum error err;

    p->client = &client;
    p->ctx = r;
    if (ep != NULL)
        err = lookup_start_single(lookups, p, ep, &r->lookup);
    else
        err = lookup_start(lookups, p, &r->lookup);
    if (err != OK) {
        callbacks_forget(callbacks_of(r), &r->caller);
        free_request(r);
    } else if (out != NULL) {
        *out = r->caller.request;
    }
    return err;
}

/* ---- Single queries ------------------------------------------------------ */

enum error dht_check_endpoint(const struct dht *d, const struct endpoint *ep)
{
    if (!endpoint_is_usable(ep) || !d->world.config.family[ep->family])
        return ERR_ADDRESS;
    return OK;
}

/* One query to `ep`; `samples` NULL for what tells none. */
static enum error
ask_one(struct dht *d, const struct endpoint *ep, struct lookup_params *p,
        void (*samples)(void *ctx, const struct dht_samples *),
        const struct dht_handler *handler, uint64_t now, dht_request *out)
{
    enum error err = dht_check_endpoint(d, ep);
    struct lookup_request *r;

    if (err != OK)
        return err;
    dht_enter(d, now);
    err = new_request(d, handler, &r);
    if (err == OK) {
        r->caller.samples = samples;
        err = start(r, p, ep, out);
    }
    dht_leave(d);
    return err;
}

enum error dht_ping(struct dht *d, const struct endpoint *ep,
                    const struct dht_handler *handler, uint64_t now,
                    dht_request *out)
{
    static const struct id nothing;
    struct lookup_params p = {.method = DHT_PING, .target = &nothing};

    return ask_one(d, ep, &p, NULL, handler, now, out);
}

enum error dht_sample(struct dht *d, const struct endpoint *ep,
                      const struct id *target,
                      void (*samples)(void *ctx, const struct dht_samples *),
                      const struct dht_handler *handler, uint64_t now,
                      dht_request *out)
{
    struct lookup_params p = {.method = DHT_SAMPLE_INFOHASHES,
                              .target = target};

    return ask_one(d, ep, &p, samples, handler, now, out);
}

/* ---- Lookups ------------------------------------------------------------- */

static enum error look_up(struct dht *d, struct lookup_params *p,
                          const struct dht_handler *handler, uint64_t now,
                          dht_request *out)
{
    struct lookup_request *r;
    enum error err;

    p->family[FAMILY_IPV4] = p->family[FAMILY_IPV6] = true;
    p->random_target = true;
    dht_enter(d, now);
    err = new_request(d, handler, &r);
    if (err == OK)
        err = start(r, p, NULL, out);
    dht_leave(d);
    return err;
}

enum error dht_find_node(struct dht *d, const struct id *target,
                         const struct dht_handler *handler, uint64_t now,
                         dht_request *out)
{
    struct lookup_params p = {.method = DHT_FIND_NODE, .target = target};

    return look_up(d, &p, handler, now, out);
}

enum error dht_get_peers(struct dht *d, const struct id *info_hash,
                         const struct dht_handler *handler, uint64_t now,
                         dht_request *out)
{
    struct lookup_params p = {.method = DHT_GET_PEERS, .target = info_hash};

    return look_up(d, &p, handler, now, out);
}

enum error dht_get_downloaders(struct dht *d, const struct id *info_hash,
                               const struct dht_handler *handler, uint64_t now,
                               dht_request *out)
{
    struct lookup_params p = {
        .method = DHT_GET_PEERS, .target = info_hash, .no_seed = true};

    return look_up(d, &p, handler, now, out);
}

enum error dht_scrape(struct dht *d, const struct id *info_hash,
                      const struct dht_handler *handler, uint64_t now,
                      dht_request *out)
{
    struct lookup_params p = {
        .method = DHT_GET_PEERS, .target = info_hash, .scrape = true};

    return look_up(d, &p, handler, now, out);
}

enum error dht_get_item(struct dht *d, const struct id *target,
                        struct bytes salt, const struct dht_handler *handler,
                        uint64_t now, dht_request *out)
{
    struct lookup_params p = {
        .method = DHT_GET, .target = target, .salt = salt};

    if (salt.len > DHT_SALT_MAX)
        return ERR_TOO_LARGE;
    return look_up(d, &p, handler, now, out);
}

/* ---- Cancelling ---------------------------------------------------------- */

static struct lookup_request *find(const struct dht *d, dht_request request)
{
    for (struct lookup_request *r = d->requests; r != NULL; r = r->next) {
        if (r->caller.request == request)
            return r;
    }
    return NULL;
}

void dht_cancel(struct dht *d, dht_request request)
{
    struct lookup_request *r;

    if (request == 0)
        return;
    dht_enter(d, d->world.now);
    callbacks_forget_request(&d->world.callbacks, request);
    publish_cancel(&d->publications, request);
    ask_cancel(d, request);
    r = find(d, request);
    if (r != NULL) {
        callbacks_forget(&d->world.callbacks, &r->caller);
        lookup_drop(r->lookup);
        free_request(r);
    }
    dht_leave(d);
}

/* ---- Publications -------------------------------------------------------- */

static enum error announce(struct dht *d, const struct publish_peer *peer,
                           const struct dht_handler *handler, uint64_t now,
                           dht_request *out)
{
    enum error err;

    if (peer->port == 0 && !peer->implied_port)
        return ERR_RANGE;
    dht_enter(d, now);
    err = publish_announce(&d->publications, peer, handler, out);
    dht_leave(d);
    return err;
}

enum error dht_announce(struct dht *d, const struct id *info_hash,
                        uint16_t port, bool implied_port,
                        const struct dht_handler *handler, uint64_t now,
                        dht_request *out)
{
    const struct publish_peer peer = {info_hash, port, implied_port, false};

    return announce(d, &peer, handler, now, out);
}

enum error dht_announce_seed(struct dht *d, const struct id *info_hash,
                             uint16_t port, bool implied_port,
                             const struct dht_handler *handler, uint64_t now,
                             dht_request *out)
{
    const struct publish_peer peer = {info_hash, port, implied_port, true};

    return announce(d, &peer, handler, now, out);
}

static enum error withdraw(struct dht *d, bool is_item, const struct id *target)
{
    enum error err;

    dht_enter(d, d->world.now);
    err = publish_withdraw(&d->publications, is_item, target);
    dht_leave(d);
    return err;
}

enum error dht_withdraw(struct dht *d, const struct id *info_hash)
{
    return withdraw(d, false, info_hash);
}

enum error dht_put(struct dht *d, const struct dht_item *item,
                   const int64_t *cas, const struct dht_handler *handler,
                   uint64_t now, dht_request *out)
{
    enum error err;

    dht_enter(d, now);
    err = publish_put(&d->publications, item, cas, handler, out);
    dht_leave(d);
    return err;
}

enum error dht_put_once(struct dht *d, const struct dht_item *item,
                        const struct dht_handler *handler, uint64_t now,
                        dht_request *out)
{
    enum error err;

    dht_enter(d, now);
    err = publish_put_once(&d->publications, item, handler, out);
    dht_leave(d);
    return err;
}

enum error dht_unput(struct dht *d, const struct id *target)
{
    return withdraw(d, true, target);
}
