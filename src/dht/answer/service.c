/* SPDX-License-Identifier: MIT
 *
 * The life of what serves others: the limiter of their queries, the keys of
 * the tokens that we give them, the stores of their peers and items.
 */
#include "dht/answer/service.h"

#include "dht/answer/answer.h"
#include "dht/contacts/contacts.h"
#include "dht/world/world.h"

#include <stdlib.h>

static struct limiter_config rates(const struct dht_config *c)
{
    return (struct limiter_config){c->query_rate, c->query_burst,
                                   c->source_rate, c->source_burst,
                                   c->max_sources};
}

static struct peer_store_config peer_limits(const struct dht_config *c)
{
    return (struct peer_store_config){
        c->max_hashes, c->max_peers, c->max_peers_per_hash,
        c->max_peers_per_source, c->peer_lifetime};
}

static struct item_store_config item_limits(const struct dht_config *c)
{
    return (struct item_store_config){c->max_items, c->max_items_per_source,
                                      c->item_lifetime};
}

void service_init(struct dht_service *s, struct dht_world *w,
                  struct contacts *contacts)
{
    struct limiter_config limits = rates(&w->config);
    struct peer_store_config peers = peer_limits(&w->config);
    struct item_store_config items = item_limits(&w->config);

    s->w = w;
    s->contacts = contacts;
    limiter_init(&s->limiter, &limits, &w->random);
    limiter_init(&s->known, &limits, &w->random);
    token_keys_init(&s->tokens, &w->random, w->now);
    for (int f = 0; f < FAMILIES; f++) {
        s->home.self[f] = &contacts->self[f];
        s->home.buckets[f] = &contacts->table[f].bucket_count;
    }
    peer_store_init(&s->peers, &peers, &s->home, &w->random, w->now);
    item_store_init(&s->items, &items, &s->home, &w->random);
    s->samples = (struct sample_set){.hashes = NULL};
    s->scrapes = s->long_answers = (struct token_bucket){0};
    s->next_at = TIME_NEVER;
}

void service_deinit(struct dht_service *s)
{
    free(s->samples.hashes);
    item_store_deinit(&s->items);
    peer_store_deinit(&s->peers);
    token_keys_deinit(&s->tokens);
    limiter_deinit(&s->known);
    limiter_deinit(&s->limiter);
}

void service_configure(struct dht_service *s)
{
    struct limiter_config limits = rates(&s->w->config);
    struct peer_store_config peers = peer_limits(&s->w->config);
    struct item_store_config items = item_limits(&s->w->config);

    limiter_configure(&s->limiter, &limits);
    limiter_configure(&s->known, &limits);
    peer_store_configure(&s->peers, &peers);
    item_store_configure(&s->items, &items);
    service_stored(s);
}

void service_set_load(struct dht_service *s, unsigned load)
{
    limiter_load(&s->limiter, load);
    limiter_load(&s->known, load);
}

void service_stored(struct dht_service *s)
{
    s->next_at = time_min(peer_store_next_deadline(&s->peers),
                          item_store_next_deadline(&s->items));
}

void service_tick(struct dht_service *s)
{
    uint64_t now = s->w->now;

    if (s->next_at > now)
        return;
    if (peer_store_next_deadline(&s->peers) <= now)
        peer_store_expire(&s->peers, now);
    if (item_store_next_deadline(&s->items) <= now)
        item_store_expire(&s->items, now);
    service_stored(s);
}

uint64_t service_next_deadline(const struct dht_service *s)
{
    return s->next_at;
}
