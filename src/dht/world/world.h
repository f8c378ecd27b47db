/* SPDX-License-Identifier: MIT
 *
 * The world as all parts of a DHT node see it: what was set, what time it is,
 * where random numbers come from, how datagrams go out, what is counted, and
 * what is to be told.
 */
#ifndef WARREN_DHT_WORLD_WORLD_H
#define WARREN_DHT_WORLD_WORLD_H

#include "base/endpoint.h"
#include "base/random_source.h"
#include "dht/types/dht_config.h"
#include "dht/types/dht_env.h"
#include "dht/types/dht_request.h"
#include "dht/types/dht_status.h"
#include "dht/types/dht_version.h"
#include "dht/world/callbacks.h"

#include <stddef.h>
#include <stdint.h>

struct dht_world {
    uint64_t now; /* given to the call that runs */
    struct callbacks callbacks;
    struct dht_env env;
    struct random_source random; /* env.random */
    dht_request last_request;
    uint8_t version[DHT_VERSION_BYTES]; /* what our messages say of us */
    struct dht_config config;
    struct dht_stats stats;
};

void world_init(struct dht_world *w, const struct dht_env *env,
                const struct dht_config *config, uint64_t now);
void world_deinit(struct dht_world *w);

void world_send(struct dht_world *w, const struct endpoint *to,
                const uint8_t *datagram, size_t len);
/* To env.event, when the work is done. */
void world_tell(struct dht_world *w, const struct dht_event *event);
/* `base`, give or take `jitter`, both in ns. */
uint64_t world_jitter(const struct dht_world *w, uint64_t base,
                      uint64_t jitter);

/* Makes a caller of `handler`, which may be NULL. ERR_NO_MEMORY. */
enum error world_new_caller(struct dht_world *w,
                            const struct dht_handler *handler,
                            struct caller *out);

#endif
