/* SPDX-License-Identifier: MIT
 *
 * The world of a DHT node: thin, because all that it does is done outside.
 */
#include "dht/world/world.h"

#include <string.h>

void world_init(struct dht_world *w, const struct dht_env *env,
                const struct dht_config *config, uint64_t now)
{
    *w = (struct dht_world){.env = *env, .config = *config, .now = now};
    if (strcmp(config->network, "main") == 0)
        w->config.network[0] = '\0'; /* what messages say about it */
    w->random = (struct random_source){env->ctx, env->random};
    dht_version_own(w->version);
    callbacks_init(&w->callbacks);
}

void world_deinit(struct dht_world *w)
{
    callbacks_deinit(&w->callbacks);
}

void world_send(struct dht_world *w, const struct endpoint *to,
                const uint8_t *datagram, size_t len)
{
    w->stats.sent++;
    w->stats.sent_bytes += len;
    w->env.send(w->env.ctx, to, bytes_of(datagram, len));
}

void world_tell(struct dht_world *w, const struct dht_event *event)
{
    callbacks_event(&w->callbacks, event);
}

uint64_t world_jitter(const struct dht_world *w, uint64_t base, uint64_t jitter)
{
    uint64_t part = random_u32(&w->random);

    return base - jitter + (2 * jitter >> 16) * (part >> 16);
}

enum error world_new_caller(struct dht_world *w,
                            const struct dht_handler *handler,
                            struct caller *out)
{
    struct caller caller = {.request = ++w->last_request};
    enum error err;

    if (handler != NULL)
        caller.handler = *handler;
    err = callbacks_promise(&w->callbacks, &caller);
    if (err == OK)
        *out = caller;
    return err;
}
