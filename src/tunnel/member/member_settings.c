/* SPDX-License-Identifier: MIT
 *
 * Settings: the defaults, what each part is told of them, and what can be
 * changed while a member runs.
 */
#include "tunnel/member/member_internal.h"

#include "base/timestamp.h"

#include <sodium.h>
#include <string.h>

void member_config_init(struct member_config *config)
{
    *config = (struct member_config){
        .network = "main",
        .family = {true, true},
        .min_circuits = 2,
        .max_circuits = 32,
        .max_relays_or_exits = 1000,
        .max_time = 10 * TIME_MIN,
        .max_time_inactive = 5 * TIME_MIN,
        .max_traffic = (uint64_t)10 << 30,
        .exit_tcp = true,
        .max_links = 1024,
        .max_half_open = 256,
        .handshake_rate = 200,
        .handshake_source_rate = 5,
        .create_rate = 4000,
        .create_source_rate = 200,
        .max_sources = 4096,
        .max_known_relays = 2000,
        .speedtest_rate = 100000,
        .max_piece_memory = (size_t)1 << 20,
        .queue = {.bandwidth_burst = 256 * 1024,
                  .circuit_burst = 256 * 1024,
                  .max_cells = 4096,
                  .max_circuit_cells = 64},
    };
    exit_config_default(&config->exit);
    outlet_config_init(&config->outlet);
    config->introduces = true;
    config->max_service_circuits = 256;
    meeting_config_init(&config->meeting);
    service_config_init(&config->service);
}

enum error member_config_check(const struct member_config *c)
{
    if (c->min_circuits == 0 || c->min_circuits > c->max_circuits ||
        c->max_links == 0 || c->max_half_open == 0 || c->handshake_rate == 0 ||
        c->handshake_source_rate == 0 || c->create_rate == 0 ||
        c->create_source_rate == 0 || c->max_sources == 0 ||
        c->max_known_relays == 0 || c->speedtest_rate == 0)
        return ERR_RANGE;
    return OK;
}

struct router_config member_router_config(const struct member_config *c)
{
    struct router_config e = {
        .link = {.max_links = c->max_links,
                 .max_half_open = c->max_half_open,
                 .handshake_rate = c->handshake_rate,
                 .handshake_burst = c->handshake_rate,
                 .handshake_source_rate = c->handshake_source_rate,
                 .handshake_source_burst = 4 * c->handshake_source_rate,
                 .proven_rate = c->create_rate,
                 .max_sources = c->max_sources},
        .transit = {.testing_network = c->testing_network,
                    .max_relays_or_exits = c->max_relays_or_exits,
                    .max_time = c->max_time + c->max_time / 10,
                    .max_time_inactive =
                        c->max_time_inactive + c->max_time_inactive / 10,
                    .max_traffic = c->max_traffic,
                    .create_rate = c->create_rate,
                    .create_burst = c->create_rate,
                    .create_source_rate = c->create_source_rate,
                    .create_source_burst = 4 * c->create_source_rate,
                    .extend_source_rate = (c->create_source_rate + 3) / 4,
                    .extend_source_burst = c->create_source_rate,
                    .max_sources = c->max_sources,
                    .queue = c->queue},
        .circuit = {.max_circuits = 2 * ONION_HOPS_MAX * c->max_circuits,
                    .max_service_circuits = c->max_service_circuits},
    };

    memcpy(e.network, c->network, sizeof(e.network));
    memcpy(e.identity, c->identity, sizeof(e.identity));
    memcpy(e.handshake_secret, c->handshake_secret, NOISE_KEY_BYTES);
    return e;
}

struct pool_config member_pool_config(const struct member_config *c)
{
    return (struct pool_config){
        .min_circuits = c->min_circuits,
        .max_circuits = c->max_circuits,
        .max_time = c->max_time,
        .max_time_inactive = c->max_time_inactive,
        .max_traffic = c->max_traffic,
    };
}

enum error member_reconfigure(struct member *t,
                              const struct member_config *config, uint64_t now)
{
    struct member_config *c = &t->config;
    struct router_config router;

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
    router = member_router_config(c);
    transits_configure(t->router.transits, &router.transit);
    sodium_memzero(&router, sizeof(router));
    c->meeting = config->meeting;
    member_meeting_configure(t);
    t->pool.config = member_pool_config(c);
    t->pool.deadline = now;
    return OK;
}
