/* SPDX-License-Identifier: MIT */
#include "dht/dht.h"

#include "dht/dht_parts.h"

void dht_prefetch(const struct dht *d, unsigned stage)
{
    if (stage == 1)
        bytes_prefetch(d, sizeof(*d));
    if (stage != 2)
        return;
    for (int f = 0; f < FAMILIES; f++)
        table_prefetch(&d->contacts.table[f]);
    bytes_prefetch(d->queries.slots,
                   d->queries.end * sizeof(*d->queries.slots));
    if (d->lookups.first != NULL)
        bytes_prefetch(d->lookups.first, sizeof(*d->lookups.first));
    limiter_prefetch(&d->service.limiter);
}
