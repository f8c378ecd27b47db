/* SPDX-License-Identifier: MIT */
#include "dht/dht.h"

#include "dht/dht_parts.h"

/* What most messages touch of a node, about half of it: each line of the cache
 * that is brought in for nothing takes as long as one that is needed. */
#define RANGE(from, to)                                      \
    {                                                        \
        offsetof(struct dht, from), offsetof(struct dht, to) \
    }
static const struct {
    size_t from, to;
} ranges[] = {
    RANGE(requests, world.config.has_id),
    RANGE(world.stats, world.stats.timeouts),
    RANGE(queries, contacts.vote[FAMILY_IPV6]),
    RANGE(service, service.known),
};

void dht_prefetch(const struct dht *d, unsigned stage)
{
    if (stage == 1)
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
            bytes_prefetch((const char *)d + ranges[i].from,
                           ranges[i].to - ranges[i].from);
    if (stage != 2)
        return;
    for (int f = 0; f < FAMILIES; f++)
        table_prefetch(&d->contacts.table[f]);
    bytes_prefetch(d->queries.slots,
                   d->queries.end * sizeof(*d->queries.slots));
    if (d->lookups.first != NULL)
        bytes_prefetch(d->lookups.first,
                       offsetof(struct lookup, side[FAMILY_IPV6]));
    limiter_prefetch(&d->service.limiter);
}
