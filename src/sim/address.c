/* SPDX-License-Identifier: MIT
 *
 * Addresses are computed from a node's index and back. The hash for those that
 * were asked for only ever grows.
 */
#include "sim/address.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Odd, so that multiplying is a permutation of the 22 bits: neighbours in
 * index are not neighbours in address. */
#define SCATTER 2654435761u
/* SCATTER * GATHER = 1 modulo 2^32. */
#define GATHER 244002641u

/* 24.0.0.0 up to 87.255.255.255 is global unicast throughout (IANA IPv4
 * special-purpose registry): 2^22 networks of /24. */
#define GLOBAL4_FIRST (24u << 16)

static void put_bits(uint8_t *out, uint32_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

/* Bits of the node in its network: an id follows from them too (BEP 42, which
 * looks at the last bits of each byte most), and with the same in every network
 * whole parts of the id space would be empty. */
static uint32_t host_bits(uint32_t spread)
{
    uint32_t h = spread * SCATTER;

    return (h ^ (h >> 15)) * SCATTER;
}

void sim_address_make(enum sim_addressing addressing, enum family family,
                      uint32_t index, struct endpoint *out)
{
    bool global = addressing == SIM_ADDRESS_GLOBAL;
    uint32_t spread = (index * SCATTER) & (SIM_NODES_MAX - 1);
    struct endpoint ep = {.port = SIM_PORT, .family = (uint8_t)family};

    if (family == FAMILY_IPV6) {
        put_bits(ep.addr, global ? 0x2a00 : 0xfd00, 2);
        /* A /32 of its own, as far as there are enough. */
        put_bits(ep.addr + 2, spread, 2);
        put_bits(ep.addr + 4, spread >> 16, 1);
        put_bits(ep.addr + 5, host_bits(spread), 3);
        ep.addr[15] = 1;
    } else if (global) {
        put_bits(ep.addr, GLOBAL4_FIRST + spread, 3);
        ep.addr[3] = (uint8_t)(1 + (host_bits(spread) >> 16) % 254);
    } else {
        ep.addr[0] = 10;
        put_bits(ep.addr + 1, index + 1, 3);
    }
    *out = ep;
}

static uint32_t get_bits(const uint8_t *in, int bytes)
{
    uint32_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return value;
}

bool sim_address_index(enum sim_addressing addressing,
                       const struct endpoint *ep, uint32_t *out)
{
    struct endpoint made;
    uint32_t spread;

    if (ep->family == FAMILY_IPV6)
        spread = get_bits(ep->addr + 4, 1) << 16 | get_bits(ep->addr + 2, 2);
    else if (addressing == SIM_ADDRESS_GLOBAL)
        spread = get_bits(ep->addr, 3) - GLOBAL4_FIRST;
    else
        spread = (get_bits(ep->addr + 1, 3) - 1) * SCATTER;
    *out = (spread * GATHER) & (SIM_NODES_MAX - 1);
    sim_address_make(addressing, (enum family)ep->family, *out, &made);
    return endpoint_equal(&made, ep);
}

void sim_address_map_init(struct sim_address_map *m)
{
    *m = (struct sim_address_map){0};
}

void sim_address_map_deinit(struct sim_address_map *m)
{
    free(m->slots);
    sim_address_map_init(m);
}

static size_t hash(const struct endpoint *ep)
{
    uint64_t a, b, h;

    memcpy(&a, ep->addr, 8);
    memcpy(&b, ep->addr + 8, 8);
    h = (a ^ (b + ep->port)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h ^ (h >> 32));
}

static struct sim_address_slot *probe(const struct sim_address_map *m,
                                      const struct endpoint *ep)
{
    size_t at = hash(ep) & m->mask;

    while (m->slots[at].node != SIM_ADDRESS_FREE &&
           !endpoint_equal(&m->slots[at].ep, ep))
        at = (at + 1) & m->mask;
    return &m->slots[at];
}

bool sim_address_map_reserve(struct sim_address_map *m, size_t more)
{
    size_t cap = m->slots == NULL ? 64 : m->mask + 1;
    struct sim_address_map bigger = {.count = m->count};

    while (cap < 2 * (m->count + more))
        cap *= 2;
    if (m->slots != NULL && cap == m->mask + 1)
        return true;
    bigger.slots = malloc(cap * sizeof(*m->slots));
    bigger.mask = cap - 1;
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < cap; i++)
        bigger.slots[i].node = SIM_ADDRESS_FREE;
    for (size_t i = 0; m->slots != NULL && i <= m->mask; i++)
        if (m->slots[i].node != SIM_ADDRESS_FREE)
            *probe(&bigger, &m->slots[i].ep) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return true;
}

void sim_address_map_add(struct sim_address_map *m, const struct endpoint *ep,
                         uint32_t node)
{
    struct sim_address_slot *slot = probe(m, ep);

    assert(slot->node == SIM_ADDRESS_FREE && 2 * m->count <= m->mask);
    *slot = (struct sim_address_slot){*ep, node};
    m->count++;
}

uint32_t sim_address_map_find(const struct sim_address_map *m,
                              const struct endpoint *ep)
{
    return m->slots == NULL ? SIM_ADDRESS_FREE : probe(m, ep)->node;
}
