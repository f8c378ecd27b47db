/* SPDX-License-Identifier: MIT */
#include "sim/population/kind.h"

#include "base/timestamp.h"
#include "sim/address.h"
#include "sim/chance/rng.h"

#include <assert.h>

#define KINDS_STREAM UINT64_C(0x6b696e6473000000) /* apart from the nodes' */

static bool by_chance(struct sim_rng *r, double share)
{
    return sim_rng_next(r) >> 11 < sim_rng_threshold(share);
}

static void draw_families(const struct scenario_nodes *n, struct sim_rng *r,
                          struct kind *k)
{
    uint64_t draw = sim_rng_next(r) >> 11;
    uint64_t only = sim_rng_threshold(n->ipv6_only);

    k->family[FAMILY_IPV4] = draw >= only;
    k->family[FAMILY_IPV6] = draw < only + sim_rng_threshold(n->dual);
}

static enum nat_kind draw_nat(const struct scenario_nodes *n, struct sim_rng *r)
{
    uint64_t draw = sim_rng_next(r) >> 11;
    uint64_t cone = sim_rng_threshold(n->cone_nat);

    if (draw < cone)
        return NAT_CONE;
    return draw < cone + sim_rng_threshold(n->symmetric_nat) ? NAT_SYMMETRIC
                                                             : NAT_NONE;
}

/* Always the same number of draws, so that each is the same whatever the
 * shares of the others are. */
struct kind kind_draw(const struct scenario *scenario, const struct seat *seat,
                      uint32_t index)
{
    const struct scenario_nodes *n = &scenario->nodes;
    bool serves = seat->role == POPULATION_RELAY ||
                  seat->role == POPULATION_EXIT || seat->hostile;
    struct kind k = {0};
    struct sim_rng r;
    bool wrong, ahead, read_only;
    enum nat_kind nat;

    sim_rng_init(&r, scenario->run.seed, KINDS_STREAM + index);
    draw_families(n, &r, &k);
    read_only = by_chance(&r, n->read_only);
    k.variant = by_chance(&r, scenario->variant);
    wrong = by_chance(&r, n->wrong_clock);
    ahead = by_chance(&r, 0.5);
    nat = draw_nat(n, &r);
    k.both = by_chance(&r, n->both);
    k.old = by_chance(&r, scenario->habits.share);
    if (seat->bootstrap) {
        k.family[FAMILY_IPV4] = n->ipv6_only < 1;
        k.family[FAMILY_IPV6] = n->ipv6_only > 0 || n->dual > 0;
        k.variant = false;
        k.both = n->both > 0;
        k.old = false;
        return k;
    }
    k.read_only = read_only && !serves;
    k.nat = serves ? NAT_NONE : nat;
    if (wrong)
        k.clock_error = (int64_t)(n->clock_error / TIME_S) * (ahead ? 1 : -1);
    return k;
}

/* ---- Addresses of the adversary ---------------------------------------- */

/* Odd: a permutation of the addresses, neighbours of which lie apart. */
#define SCATTER 2654435761u
/* Not that of addresses made from an index: it may be the same address. */
#define HOSTILE_PORT (SIM_PORT + 1)

/* Writes the low `count` bits of `value` behind the first `at` bits. */
static void put_bits(uint8_t *addr, unsigned at, unsigned count, uint32_t value)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned bit = at + i;
        uint8_t mask = (uint8_t)(0x80 >> (bit % 8));

        if (value >> (count - 1 - i) & 1)
            addr[bit / 8] |= mask;
        else
            addr[bit / 8] &= (uint8_t)~mask;
    }
}

struct endpoint kind_hostile_address(const struct scenario *scenario,
                                     uint32_t n)
{
    const struct scenario_networks *all = &scenario->adversary.networks;
    const struct scenario_prefix *prefix = &all->at[n % all->count];
    unsigned bits = (unsigned)endpoint_addr_len(&prefix->ep) * 8;
    unsigned left = bits - prefix->bits;
    struct endpoint ep = prefix->ep;
    uint64_t number = n / all->count + 1, addresses;

    assert(all->count > 0 && prefix->bits <= bits);
    if (left > 32)
        left = 32; /* of IPv6, what is behind them stays */
    addresses = UINT64_C(1) << left;
    put_bits(ep.addr, prefix->bits, left,
             (uint32_t)(number * SCATTER % addresses));
    if (prefix->bits + left < bits)
        ep.addr[bits / 8 - 1] |= 1;
    ep.port = (uint16_t)(HOSTILE_PORT + number / addresses);
    return ep;
}
