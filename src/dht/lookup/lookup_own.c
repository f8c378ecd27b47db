/* SPDX-License-Identifier: MIT
 *
 * What we store for others ourselves is found too, by hop 0: among few nodes
 * we may be the only one who has it.
 */
#include "dht/lookup/lookup_parts.h"

#include "dht/storage/item_store.h"
#include "dht/storage/peer_store.h"
#include "dht/world/world.h"

static void own_peers(const struct lookup *l, struct dht_message *m)
{
    const struct lookups *all = l->all;

    for (int f = 0; f < FAMILIES; f++) {
        if (l->want_family[f])
            m->value_count += peer_store_sample(
                all->peers, &l->target, (enum family)f, l->no_seed,
                &all->w->random, m->values + m->value_count,
                DHT_VALUES_MAX - m->value_count, all->w->now);
    }
}

static void own_filters(struct lookup *l)
{
    const struct lookups *all = l->all;

    if (l->scrape != NULL &&
        peer_store_scrape(all->peers, &l->target, l->scrape->seeds,
                          l->scrape->others, all->w->now))
        l->scrape->nodes++;
}

static void own_item(const struct lookup *l, struct dht_message *m)
{
    struct dht_message query;

    dht_message_init(&query, DHT_QUERY);
    query.target = l->target;
    item_store_answer(l->all->items, &query, l->all->w->now, m);
}

void lookup_take_own(struct lookup *l)
{
    uint64_t now = l->all->w->now;
    struct dht_step step = {
        .outcome = DHT_STEP_ANSWERED,
        .asked_at = now,
        .answered_at = now,
        .bits = ID_BITS,
    };
    struct dht_message m;

    l->own_due = false;
    dht_message_init(&m, DHT_RESPONSE);
    own_filters(l);
    if (l->method == DHT_GET_PEERS)
        own_peers(l, &m);
    else if (l->method == DHT_GET)
        own_item(l, &m);
    lookup_take_values(l, &m, &step);
}
