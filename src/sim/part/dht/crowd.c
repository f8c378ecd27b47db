/* SPDX-License-Identifier: MIT */
#include "sim/part/dht/crowd.h"

#include "sim/clique.h"
#include "sim/part/dht/demand.h"

#include <string.h>

#define SUBNETS_MAX 512 /* of a network that are looked through */

void crowd_key(const struct scenario *scenario, uint32_t number, struct id *out)
{
    uint32_t keys = scenario->lookups.keys;

    demand_key(scenario->run.seed, keys == 0 ? 0 : number / CROWD_A_KEY % keys,
               out);
}

void crowd_id(struct sim *sim, const struct scenario *scenario, uint32_t number,
              const struct endpoint *ep, struct id *out)
{
    const struct sim_block here = {.first = *ep};
    struct endpoint same;
    struct id key;

    crowd_key(scenario, number, &key);
    if (endpoint_is_global(ep))
        sim_clique_best(sim, &here, &key, &same, out);
    else
        *out = key;
    out->b[ID_BYTES - 2] = (uint8_t)(number >> 8);
    out->b[ID_BYTES - 3] = (uint8_t)number;
}

/* ---- Addresses ----------------------------------------------------------- */

/* Bits of a subnet, of which lookups count one node. */
static unsigned subnet_bits(const struct endpoint *ep)
{
    return ep->family == FAMILY_IPV4 ? 24 : 56;
}

/* Adds `value` to the number that the first `bits` bits are. */
static void add_bits(struct endpoint *ep, unsigned bits, uint32_t value)
{
    uint64_t sum = (uint64_t)value << (8 - bits % 8) % 8;

    for (unsigned i = (bits + 7) / 8; i-- > 0 && sum > 0; sum >>= 8) {
        sum += ep->addr[i];
        ep->addr[i] = (uint8_t)sum;
    }
}

/* The best place in one subnet, or in what of it the prefix leaves. */
static void search(struct sim *sim, const struct scenario_prefix *prefix,
                   const struct endpoint *first, const struct id *key,
                   struct crowd_place *out)
{
    unsigned bits = subnet_bits(first);
    unsigned free = prefix->bits < bits       ? 8
                    : prefix->bits > bits + 8 ? 0
                                              : bits + 8 - prefix->bits;
    struct sim_block block = {.first = *first, .at = bits / 8};
    struct crowd_place one = {.ep = *first, .bits = -1};
    struct id id;

    out->bits = -1;
    if (free == 8) {
        block.len = 1;
        out->bits = sim_clique_best(sim, &block, key, &out->ep, &id);
        return;
    }
    for (uint32_t i = 0; i >> free == 0; i++) {
        block.first = *first;
        add_bits(&block.first, bits + 8, i);
        one.bits = sim_clique_best(sim, &block, key, &one.ep, &id);
        if (one.bits > out->bits)
            *out = one;
    }
}

static size_t sort_in(const struct crowd_place *place, size_t max,
                      struct crowd_place *out, size_t n)
{
    size_t i = n;

    while (i > 0 && place->bits > out[i - 1].bits) {
        if (i < max)
            out[i] = out[i - 1];
        i--;
    }
    if (i < max)
        out[i] = *place;
    return n < max ? n + 1 : max;
}

static size_t search_network(struct sim *sim,
                             const struct scenario_prefix *prefix,
                             const struct id *key, size_t max,
                             struct crowd_place *out, size_t n)
{
    unsigned bits = subnet_bits(&prefix->ep);
    unsigned left = prefix->bits < bits ? bits - prefix->bits : 0;
    uint64_t subnets = UINT64_C(1) << (left < 32 ? left : 32);
    uint64_t looked = subnets < SUBNETS_MAX ? subnets : SUBNETS_MAX;

    for (uint64_t i = 0; i < looked; i++) {
        struct endpoint first = prefix->ep;
        struct crowd_place place;

        add_bits(&first, bits, (uint32_t)(subnets / looked * i));
        search(sim, prefix, &first, key, &place);
        n = sort_in(&place, max, out, n);
    }
    return n;
}

size_t crowd_places(struct sim *sim, const struct scenario *scenario,
                    uint32_t number, size_t max, struct crowd_place *out)
{
    const struct scenario_networks *all = &scenario->adversary.networks;
    struct id key;
    size_t n = 0;

    crowd_key(scenario, number, &key);
    for (unsigned i = 0; i < all->count; i++)
        n = search_network(sim, &all->at[i], &key, max, out, n);
    return n;
}
