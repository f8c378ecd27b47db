/* SPDX-License-Identifier: MIT
 *
 * The settings that can be changed while a tunnel runs.
 */
#include "tunnel/tunnel_internal.h"

#include <sodium.h>
#include <string.h>

enum error tunnel_reconfigure(struct tunnel *t,
                              const struct tunnel_config *config, uint64_t now)
{
    struct tunnel_config *c = &t->config;
    struct engine_config engine;

    if (config->min_circuits == 0 || config->min_circuits > c->max_circuits ||
        config->create_rate == 0 || config->create_source_rate == 0)
        return ERR_RANGE;
    c->min_circuits = config->min_circuits;
    c->max_relays_or_exits = config->max_relays_or_exits;
    c->max_time = config->max_time;
    c->max_time_inactive = config->max_time_inactive;
    c->max_traffic = config->max_traffic;
    c->create_rate = config->create_rate;
    c->create_source_rate = config->create_source_rate;
    c->queue = config->queue;
    c->has_family_id = config->has_family_id;
    memcpy(c->family_id, config->family_id, sizeof(c->family_id));
    engine = tunnel_engine_config(c);
    relays_configure(t->engine.relays, &engine.relay);
    sodium_memzero(&engine, sizeof(engine));
    t->pool.config = tunnel_pool_config(c);
    t->pool.deadline = now;
    return OK;
}
