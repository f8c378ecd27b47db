/* SPDX-License-Identifier: MIT
 *
 * A node at rest sends to a dozen others in a minute: they are looked for one
 * by one, by a hash of what the filter looks at.
 */
#include "sim/path/nat.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PORT_FIRST 1024 /* of those that a symmetric one gives out */

struct hole {
    uint64_t key;
    uint64_t sent; /* when something last went out */
    uint16_t port;
};

struct nat {
    enum nat_kind kind;
    uint16_t port; /* the node's own */
    uint16_t next; /* of a symmetric one */
    unsigned count, cap;
    struct hole *holes;
};

struct nat *nat_new(enum nat_kind kind, uint16_t port, uint64_t number)
{
    struct nat *n = calloc(1, sizeof(*n));

    if (n == NULL)
        return NULL;
    n->kind = kind;
    n->port = port;
    n->next = (uint16_t)(PORT_FIRST + number % (UINT16_MAX + 1 - PORT_FIRST));
    return n;
}

void nat_free(struct nat *n)
{
    if (n != NULL)
        free(n->holes);
    free(n);
}

enum nat_kind nat_kind(const struct nat *n)
{
    return n->kind;
}

/* Of what tells one hole from another. Two that have the same in 2^64 are the
 * same hole. */
static uint64_t key_of(const struct nat *n, const struct endpoint *ep)
{
    uint64_t a, b, h;

    memcpy(&a, ep->addr, 8);
    memcpy(&b, ep->addr + 8, 8);
    h = a * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 32)) + b + ep->family;
    h *= UINT64_C(0xbf58476d1ce4e5b9);
    if (n->kind == NAT_SYMMETRIC)
        h += (uint64_t)ep->port * UINT64_C(0xd1b54a32d192ed03);
    h = (h ^ (h >> 29)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 32);
}

static bool is_open(const struct hole *h, uint64_t now)
{
    return now < h->sent + NAT_IDLE;
}

static struct hole *find(const struct nat *n, uint64_t key)
{
    for (unsigned i = 0; i < n->count; i++)
        if (n->holes[i].key == key)
            return &n->holes[i];
    return NULL;
}

/* Where a new one goes: a closed one's place, a new place, or the oldest's.
 * NULL: no memory. */
static struct hole *make_room(struct nat *n, uint64_t now)
{
    struct hole *oldest = NULL, *more;
    unsigned cap = n->cap == 0 ? 8 : 2 * n->cap;

    for (unsigned i = 0; i < n->count; i++)
        if (oldest == NULL || n->holes[i].sent < oldest->sent)
            oldest = &n->holes[i];
    if (oldest != NULL && (!is_open(oldest, now) || n->count == NAT_HOLES_MAX))
        return oldest;
    if (n->count == n->cap) {
        more = realloc(n->holes, cap * sizeof(*more));
        if (more == NULL)
            return NULL;
        n->holes = more;
        n->cap = cap;
    }
    return &n->holes[n->count++];
}

static uint16_t next_port(struct nat *n)
{
    uint16_t port = n->next;

    n->next = port == UINT16_MAX ? PORT_FIRST : (uint16_t)(port + 1);
    return port;
}

uint16_t nat_out(struct nat *n, const struct endpoint *to, uint64_t now)
{
    uint64_t key = key_of(n, to);
    bool own = n->kind == NAT_CONE || to->family == FAMILY_IPV6;
    struct hole *h = find(n, key);

    if (h == NULL || !is_open(h, now)) {
        if (h == NULL)
            h = make_room(n, now);
        if (h == NULL)
            return 0;
        *h = (struct hole){.key = key, .port = own ? n->port : next_port(n)};
    }
    h->sent = now;
    return h->port;
}

bool nat_in(const struct nat *n, const struct endpoint *from, uint16_t port,
            uint64_t now)
{
    const struct hole *h = find(n, key_of(n, from));

    return h != NULL && is_open(h, now) && h->port == port;
}

unsigned nat_open(const struct nat *n, uint64_t now)
{
    unsigned open = 0;

    for (unsigned i = 0; i < n->count; i++)
        open += is_open(&n->holes[i], now);
    return open;
}
