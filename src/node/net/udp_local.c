/* SPDX-License-Identifier: MIT
 *
 * A hash table with two places for each hash, of which the one that was heard
 * of longer ago makes room. Who makes up sources can push others out; they
 * are then sent to as they always were, but for answers within a batch, which
 * have just been learned.
 */
#include "node/net/udp_local.h"

#include "base/timestamp.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((LOCAL_PEERS & (LOCAL_PEERS - 1)) == 0, "a mask finds places");

enum error udp_locals_init(struct udp_locals *l)
{
    /* What is not used yet costs nothing. */
    l->peers = calloc(LOCAL_PEERS, sizeof(*l->peers));
    return l->peers == NULL ? ERR_NO_MEMORY : OK;
}

void udp_locals_deinit(struct udp_locals *l)
{
    free(l->peers);
    l->peers = NULL;
}

/* The first of its two places. */
static struct udp_local *places_of(const struct udp_locals *l,
                                   const struct endpoint *peer)
{
    uint64_t low, high, hash;

    memcpy(&low, peer->addr, 8);
    memcpy(&high, peer->addr + 8, 8);
    hash = (low ^ peer->port) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32 ^ high) * UINT64_C(0xbf58476d1ce4e5b9);
    return &l->peers[(hash >> 40) & (LOCAL_PEERS - 2)];
}

static struct udp_local *find(const struct udp_locals *l,
                              const struct endpoint *peer)
{
    struct udp_local *at = places_of(l, peer);

    if (at[0].heard_at != 0 && endpoint_equal(&at[0].peer, peer))
        return &at[0];
    if (at[1].heard_at != 0 && endpoint_equal(&at[1].peer, peer))
        return &at[1];
    return NULL;
}

void udp_locals_learn(struct udp_locals *l, const struct endpoint *peer,
                      const uint8_t addr[16], uint64_t now)
{
    struct udp_local *at = find(l, peer);

    if (at == NULL) {
        at = places_of(l, peer);
        at += at[1].heard_at < at[0].heard_at;
        at->peer = *peer;
    }
    memcpy(at->addr, addr, sizeof(at->addr));
    at->heard_at = now;
}

const uint8_t *udp_locals_find(const struct udp_locals *l,
                               const struct endpoint *peer, uint64_t now)
{
    const struct udp_local *at = find(l, peer);

    if (at == NULL || time_since(at->heard_at, now) > LOCAL_LIFE)
        return NULL;
    return at->addr;
}

void udp_locals_forget(struct udp_locals *l)
{
    if (l->peers != NULL)
        memset(l->peers, 0, LOCAL_PEERS * sizeof(*l->peers));
}
