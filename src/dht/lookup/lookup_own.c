/* SPDX-License-Identifier: MIT
 *
 * What we store for others ourselves is found too, by hop 0: among few nodes
 * we may be the only one who has it.
 */
#include "dht/lookup/lookup.h"

#include "dht/answer.h"
#include "dht/engine.h"

static void own_peers(struct dht *d, const struct lookup *l,
                      struct dht_message *m)
{
    for (int f = 0; f < FAMILIES; f++) {
        if (l->want_family[f])
            m->value_count +=
                peer_store_sample(&d->peers, &l->target, (enum family)f,
                                  &d->random, m->values + m->value_count,
                                  DHT_VALUES_MAX - m->value_count, d->now);
    }
}

static void own_item(struct dht *d, const struct lookup *l,
                     struct dht_message *m)
{
    struct dht_message query;

    dht_message_init(&query, DHT_QUERY);
    query.target = l->target;
    answer_add_item(d, m, &query);
}

void lookup_take_own(struct dht *d, struct lookup *l)
{
    struct dht_step step = {
        .outcome = DHT_STEP_ANSWERED,
        .asked_at = d->now,
        .answered_at = d->now,
        .bits = ID_BITS,
    };
    struct dht_message m;

    l->own_due = false;
    dht_message_init(&m, DHT_RESPONSE);
    if (l->method == DHT_GET_PEERS)
        own_peers(d, l, &m);
    else if (l->method == DHT_GET)
        own_item(d, l, &m);
    lookup_take_values(d, l, &m, &step);
}
