/* SPDX-License-Identifier: MIT
 *
 * Looking into a DHT node: its contacts, and how much there is of all.
 */
#include "dht/dht_parts.h"

#include "dht/publish/publication.h"

struct visit_nodes {
    uint64_t now;
    void (*visit)(void *ctx, const struct dht_node_info *);
    void *ctx;
};

static void visit_contact(void *ctx, const struct contact *c, unsigned bucket)
{
    const struct visit_nodes *v = ctx;
    uint64_t age =
        (uint64_t)contact_age(c->state.last_answer, contact_tick(v->now))
        << CONTACT_TICK_SHIFT;
    const struct dht_node_info info = {
        .id = c->id,
        .ep = c->ep,
        .quality = contact_quality(&c->state, v->now),
        .last_seen = age < v->now ? v->now - age : 0,
        .rtt = c->state.rtt_us * TIME_US,
        .bucket = bucket,
    };

    v->visit(v->ctx, &info);
}

void dht_nodes(const struct dht *d, uint64_t now,
               void (*visit)(void *ctx, const struct dht_node_info *),
               void *ctx)
{
    struct visit_nodes v = {now, visit, ctx};

    for (int f = 0; f < FAMILIES; f++)
        table_visit(&d->contacts.table[f], visit_contact, &v);
}

const char *dht_published_name(enum dht_published state)
{
    static const char *const names[] = {
        [DHT_PUBLISHED_STARTING] = "starting",
        [DHT_PUBLISHED_STORED] = "stored",
        [DHT_PUBLISHED_FOUND] = "found",
        [DHT_PUBLISHED_MISSING] = "missing",
        [DHT_PUBLISHED_FAILING] = "failing",
        [DHT_PUBLISHED_BEATEN] = "superseded",
    };

    return names[state];
}

static enum dht_published state_of(const struct publication *p)
{
    if (p->beaten)
        return DHT_PUBLISHED_BEATEN;
    if (p->failed > 0)
        return DHT_PUBLISHED_FAILING;
    if (p->stored == 0)
        return DHT_PUBLISHED_STARTING;
    if (p->missing)
        return DHT_PUBLISHED_MISSING;
    return p->checked_at == TIME_NEVER ? DHT_PUBLISHED_STORED
                                       : DHT_PUBLISHED_FOUND;
}

void dht_publications(const struct dht *d,
                      void (*visit)(void *ctx,
                                    const struct dht_publication_info *),
                      void *ctx)
{
    for (const struct publication *p = d->publications.first; p != NULL;
         p = p->next) {
        const struct dht_publication_info info = {
            .target = p->target,
            .is_item = p->is_item,
            .port = p->implied_port ? 0 : p->port,
            .seed = p->seed,
            .key = p->item.mutable_item ? p->item.key : NULL,
            .seq = p->item.seq,
            .beaten_by = p->beaten_by,
            .salt = p->item.salt,
            .stored = p->stored,
            .failed = p->failed,
            .state = state_of(p),
            .checked = p->checked_at,
            .running = publication_is_busy(p),
            .since = p->since,
            .next = publication_is_busy(p) ? TIME_NEVER : p->at,
        };

        if (!p->dead && !p->once)
            visit(ctx, &info);
    }
}

static size_t status_family(const struct dht *d, enum family f, uint64_t now,
                            struct dht_status *s)
{
    struct table_counts counts;

    table_counts(&d->contacts.table[f], now, &counts);
    s->id[f] = d->contacts.self[f];
    s->external_known[f] = vote_winner(&d->contacts.vote[f], &s->external[f]);
    s->nodes[f] = counts.live;
    s->good[f] = counts.good;
    s->cached[f] = counts.cached;
    s->buckets[f] = counts.buckets;
    s->network_size[f] = size_estimate_get(&d->contacts.size[f]);
    return counts.memory;
}

void dht_status(const struct dht *d, uint64_t now, struct dht_status *out)
{
    const struct dht_service *service = &d->service;
    struct dht_status s = {
        .lookups = d->request_count,
        .pending = (unsigned)d->queries.used,
        .publications = d->publications.count,
        .hashes = service->peers.hashes,
        .peers = service->peers.peers,
        .items = service->items.items,
        .sources = limiter_sources(&service->limiter, now),
    };

    s.memory = sizeof(*d) + d->queries.cap * sizeof(struct query) +
               lookups_memory(&d->lookups) + publish_memory(&d->publications) +
               service->peers.memory + service->items.memory +
               limiter_memory(&service->limiter) +
               limiter_memory(&service->known) + d->world.callbacks.cap;
    if (service->samples.hashes != NULL)
        s.memory += DHT_SAMPLES_MAX * ID_BYTES;
    for (int f = 0; f < FAMILIES; f++)
        s.memory += status_family(d, (enum family)f, now, &s);
    for (const struct publication *p = d->publications.first; p != NULL;
         p = p->next)
        s.published[state_of(p)] += !p->dead && !p->once;
    *out = s;
}

const struct dht_stats *dht_stats(const struct dht *d)
{
    return &d->world.stats;
}
