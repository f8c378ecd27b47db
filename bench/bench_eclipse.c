/* SPDX-License-Identifier: MIT
 *
 * How many keys of the DHT an attacker can hide, by what he owns: for each key
 * he puts a node at each of his blocks of addresses, under the id that comes
 * nearest to the key of those that BEP 42 allows there. A key is lost when
 * lookups do not find what was announced after he came. Deterministic: it is a
 * simulation, and nothing is timed.
 *
 *     bench_eclipse [KEYS]    for each number, 10 unless told
 */
#include "bench.h"

#include "base/bytes.h"
#include "base/timestamp.h"
#include "sim/clique.h"
#include "sim/dht_net.h"

#include <stdlib.h>
#include <string.h>

#define HONEST  200
#define LOOKUPS 5 /* of a key */
#define BLOCKS  (3 * HONEST)

struct holding {
    const char *name;
    enum family family;
    unsigned varies;  /* byte of the address by which blocks differ, 2 wide */
    unsigned at, len; /* what is free in a block */
};

static const struct holding holdings[] = {
    {"IPv4 addresses, each in its own /24", FAMILY_IPV4, 1, 3, 0},
    {"IPv4 /24s", FAMILY_IPV4, 1, 3, 1},
    {"IPv6 /64s, each in its own /32", FAMILY_IPV6, 2, 7, 0},
    {"IPv6 /56s, each in its own /32", FAMILY_IPV6, 2, 7, 1},
    {"IPv6 /56s of one /32", FAMILY_IPV6, 5, 7, 1},
};

static void check(enum error err)
{
    if (err != OK) {
        fprintf(stderr, "bench_eclipse: %s\n", error_text(err));
        exit(1);
    }
}

static void surround(struct sim_dht_net *net, const struct holding *h,
                     const struct id *key, uint32_t count)
{
    static struct endpoint eps[BLOCKS];
    static struct id ids[BLOCKS];
    static uint32_t nodes[BLOCKS];
    struct sim_hostile_config c = {.interval = 2 * TIME_S,
                                   .victims = net->members,
                                   .victim_count = net->count};

    for (uint32_t i = 0; i < count; i++) {
        struct sim_block block = {
            .first = {.family = (uint8_t)h->family, .port = SIM_PORT},
            .at = h->at,
            .len = h->len,
        };

        /* Where no node of the network is. */
        block.first.addr[0] = h->family == FAMILY_IPV4 ? 200 : 0x2a;
        block.first.addr[1] = 0x91;
        bytes_put_number(block.first.addr + h->varies, 2, i + 1);
        block.first.addr[h->family == FAMILY_IPV4 ? 3 : 15] = 1;
        sim_clique_best(net->sim, &block, key, &eps[i], &ids[i]);
        bytes_put_number(ids[i].b + 16, 3, i);
    }
    check(sim_clique_add(net->sim, c, eps, ids, count, nodes));
}

static bool announce(struct sim_dht_net *net, const struct id *key,
                     enum family family, struct endpoint *peer)
{
    struct sim_request r;

    sim_endpoint(net->sim, net->members[1], family, peer);
    peer->port = 1000;
    check(sim_dht_announce(net->sim, net->members[1], key, peer->port, &r));
    return sim_request_wait(net->sim, &r, sim_now(net->sim) + 2 * TIME_MIN);
}

/* The part of the lookups of one key that found nothing. */
static double lost_of_one(const struct holding *h, uint32_t count,
                          unsigned number)
{
    struct sim_score score = {0};
    struct sim_config config;
    struct sim_dht_net net;
    struct endpoint peer;
    struct sim *s;
    struct id key;

    sim_config_init(&config);
    config.seed = 1000 + number;
    config.addressing = SIM_ADDRESS_GLOBAL;
    check(sim_new(&config, &s));
    sim_dht_net_init(&net, s);
    net.keepers = 20;
    memset(net.place.family, 0, sizeof(net.place.family));
    net.place.family[h->family] = true;
    check(sim_dht_net_grow(&net, HONEST, 50 * TIME_MS));
    sim_run_for(s, 5 * TIME_MIN);
    sim_rng_fill(sim_rng(s), key.b, ID_BYTES);
    surround(&net, h, &key, count);
    sim_run_for(s, 10 * TIME_MIN);
    if (announce(&net, &key, h->family, &peer))
        sim_dht_net_lookups(&net, &key, &peer, 1, LOOKUPS, &score);
    sim_dht_net_deinit(&net);
    sim_free(s);
    return score.tried == 0 ? 1
                            : (double)(score.tried - score.found) / score.tried;
}

static double lost(const struct holding *h, uint32_t count, unsigned keys)
{
    double sum = 0;

    for (unsigned i = 0; i < keys; i++)
        sum += lost_of_one(h, count, i);
    return 100 * sum / keys;
}

int main(int argc, char **argv)
{
    static const double counts[] = {0, 0.04, 0.08, 0.25, 0.5, 1, 1.5, 3};
    unsigned keys = argc > 1 ? (unsigned)atoi(argv[1]) : 10;

    printf("Lookups lost in a network of %u nodes, %u keys each, per cent\n\n",
           HONEST, keys);
    printf("%-38s", "blocks owned, in nodes of the network");
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        printf(" %4.2fx", counts[i]);
    printf("\n");
    for (size_t h = 0; h < sizeof(holdings) / sizeof(holdings[0]); h++) {
        printf("%-38s", holdings[h].name);
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            printf(" %5.0f",
                   lost(&holdings[h], (uint32_t)(counts[i] * HONEST), keys));
            fflush(stdout);
        }
        printf("\n");
    }
    return 0;
}
