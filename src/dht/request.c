/* SPDX-License-Identifier: MIT
 *
 * The requests of the interface: single queries and lookups.
 */
#include "dht/engine.h"
#include "dht/lookup/lookup.h"
#include "dht/publish/publish.h"

#include <string.h>

static enum error start_single(struct dht *d, const struct lookup_params *p,
                               const struct endpoint *ep, struct lookup **out)
{
    if (!endpoint_is_usable(ep) || !d->config.family[ep->family])
        return ERR_ADDRESS;
    if (d->lookup_count >= d->config.max_lookups)
        return ERR_FULL;
    return lookup_start_single(d, p, ep, out);
}

enum error dht_ping(struct dht *d, const struct endpoint *ep,
                    const struct dht_handler *handler, uint64_t now,
                    dht_request *out)
{
    static const struct id nothing;
    const struct lookup_params p = {
        .method = DHT_PING, .target = &nothing, .handler = handler};
    struct lookup *l;
    enum error err;

    engine_enter(d, now);
    err = start_single(d, &p, ep, &l);
    if (err == OK && out != NULL)
        *out = l->request;
    engine_leave(d);
    return err;
}

enum error dht_sample(struct dht *d, const struct endpoint *ep,
                      const struct id *target,
                      void (*samples)(void *ctx, const struct dht_samples *),
                      const struct dht_handler *handler, uint64_t now,
                      dht_request *out)
{
    const struct lookup_params p = {
        .method = DHT_SAMPLE_INFOHASHES, .target = target, .handler = handler};
    struct lookup *l;
    enum error err;

    engine_enter(d, now);
    err = start_single(d, &p, ep, &l);
    if (err == OK) {
        l->samples = samples;
        if (out != NULL)
            *out = l->request;
    }
    engine_leave(d);
    return err;
}

static enum error start(struct dht *d, enum dht_method method,
                        const struct id *target, struct bytes salt,
                        const struct dht_handler *handler, uint64_t now,
                        dht_request *out)
{
    const struct lookup_params p = {
        .method = method,
        .target = target,
        .handler = handler,
        .family = {true, true},
        .salt = salt,
    };
    enum error err = ERR_FULL;
    struct lookup *l;

    engine_enter(d, now);
    if (d->lookup_count < d->config.max_lookups)
        err = lookup_start(d, &p, &l);
    if (err == OK && out != NULL)
        *out = l->request;
    engine_leave(d);
    return err;
}

enum error dht_find_node(struct dht *d, const struct id *target,
                         const struct dht_handler *handler, uint64_t now,
                         dht_request *out)
{
    return start(d, DHT_FIND_NODE, target, bytes_of(NULL, 0), handler, now,
                 out);
}

enum error dht_get_peers(struct dht *d, const struct id *info_hash,
                         const struct dht_handler *handler, uint64_t now,
                         dht_request *out)
{
    return start(d, DHT_GET_PEERS, info_hash, bytes_of(NULL, 0), handler, now,
                 out);
}

enum error dht_get_item(struct dht *d, const struct id *target,
                        struct bytes salt, const struct dht_handler *handler,
                        uint64_t now, dht_request *out)
{
    if (salt.len > DHT_SALT_MAX)
        return ERR_TOO_LARGE;
    return start(d, DHT_GET, target, salt, handler, now, out);
}

/* A publication goes on; only its first round is not heard of any more. */
void dht_cancel(struct dht *d, dht_request request)
{
    struct lookup *l;

    if (request == 0 || publish_cancel(d, request))
        return;
    l = lookup_find(d, request);
    if (l == NULL || l->purpose != LOOKUP_REQUEST)
        return;
    engine_enter(d, d->now);
    lookup_drop(d, l);
    engine_leave(d);
}
