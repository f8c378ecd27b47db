/* SPDX-License-Identifier: MIT
 *
 * The life of a DHT node: its parts are made and joined here, datagrams and
 * ticks are given out to them, and when the outermost call leaves, the world
 * hears what happened.
 */
#include "dht/dht_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- Configuration ------------------------------------------------------- */

void dht_config_init(struct dht_config *config)
{
    *config = (struct dht_config){
        .network = "main",
        .family = {true, true},
        .max_pending = 512,
        .max_lookups = 64,
        .max_publications = 256,
        .max_hashes = 10000,
        .max_peers = 100000,
        .max_peers_per_hash = 1000,
        .max_peers_per_source = 200,
        .max_items = 10000,
        .max_items_per_source = 100,
        .peer_lifetime = 30 * TIME_MIN,
        .item_lifetime = 2 * TIME_HOUR,
        .query_rate = 10000,
        .query_burst = 20000,
        .source_rate = 20,
        .source_burst = 100,
        .max_sources = 4096,
        .bucket_refresh = 15 * TIME_MIN,
        .query_timeout = 10 * TIME_S,
    };
}

/* The slot of a query is two bytes of its transaction. */
#define PENDING_LIMIT 65536

static enum error check_config(const struct dht_config *c)
{
    const unsigned caps[] = {
        c->max_pending,      c->max_lookups,
        c->max_publications, c->max_hashes,
        c->max_peers,        c->max_peers_per_hash,
        c->max_items,        c->max_peers_per_source,
        c->query_rate,       c->query_burst,
        c->source_rate,      c->source_burst,
        c->max_sources,      c->max_items_per_source,
    };

    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        if (caps[i] == 0)
            return ERR_RANGE;
    }
    if (c->peer_lifetime == 0 || c->item_lifetime == 0 ||
        c->bucket_refresh == 0 || c->query_timeout == 0 ||
        c->max_pending > PENDING_LIMIT)
        return ERR_RANGE;
    if (!c->family[FAMILY_IPV4] && !c->family[FAMILY_IPV6])
        return ERR_RANGE;
    return OK;
}

enum error dht_reconfigure(struct dht *d, const struct dht_config *config)
{
    const struct dht_config old = d->world.config;
    struct dht_config *c = &d->world.config;
    enum error err = check_config(config);

    if (err != OK)
        return err;
    *c = *config;
    memcpy(c->network, old.network, sizeof(old.network));
    memcpy(c->family, old.family, sizeof(old.family));
    memcpy(c->has_id, old.has_id, sizeof(old.has_id));
    memcpy(c->id, old.id, sizeof(old.id));
    c->testing_network = old.testing_network;
    c->dialect = old.dialect;
    service_configure(&d->service);
    for (int f = 0; f < FAMILIES; f++)
        table_set_refresh(&d->contacts.table[f], config->bucket_refresh);
    return OK;
}

/* ---- Creation ------------------------------------------------------------ */

/* Others have our old address: it is announced anew. */
static void on_moved(void *ctx)
{
    publish_hurry(ctx);
}

/* It may be one that should have what we publish. */
static void on_met(void *ctx, enum family f, const struct id *id)
{
    publish_met(ctx, f, id);
}

static void join_parts(struct dht *d)
{
    d->contacts.moved = on_moved;
    d->contacts.met = on_met;
    d->contacts.publish_ctx = &d->publications;
    d->lookups = (struct lookups){.w = &d->world,
                                  .contacts = &d->contacts,
                                  .queries = &d->queries,
                                  .peers = &d->service.peers,
                                  .items = &d->service.items};
    d->maintain = (struct maintain){.w = &d->world,
                                    .contacts = &d->contacts,
                                    .queries = &d->queries,
                                    .lookups = &d->lookups};
    d->publications = (struct publications){.w = &d->world,
                                            .contacts = &d->contacts,
                                            .queries = &d->queries,
                                            .lookups = &d->lookups,
                                            .maintain = &d->maintain};
}

enum error dht_new(const struct dht_config *config, const struct dht_env *env,
                   uint64_t now, struct dht **out)
{
    enum error err = check_config(config);
    struct dht *d;

    if (err != OK)
        return err;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return ERR_NO_MEMORY;
    world_init(&d->world, env, config, now);
    contacts_init(&d->contacts, &d->world);
    service_init(&d->service, &d->world, &d->contacts);
    queries_init(&d->queries, &d->world, &d->contacts);
    join_parts(d);
    maintain_init(&d->maintain);
    publish_init(&d->publications);
    *out = d;
    return OK;
}

static void destroy(struct dht *d)
{
    requests_free(d);
    asks_free(d);
    publish_deinit(&d->publications);
    maintain_deinit(&d->maintain);
    lookups_deinit(&d->lookups);
    queries_deinit(&d->queries);
    service_deinit(&d->service);
    contacts_deinit(&d->contacts);
    world_deinit(&d->world);
    free(d);
}

void dht_free(struct dht *d)
{
    if (d == NULL)
        return;
    if (d->depth > 0)
        d->doomed = true;
    else
        destroy(d);
}

/* ---- Calls of the interface ---------------------------------------------- */

void dht_enter(struct dht *d, uint64_t now)
{
    assert(!d->doomed);
    d->world.now = now;
    d->depth++;
}

static void sweep(struct dht *d)
{
    publish_sweep(&d->publications);
    lookups_sweep(&d->lookups);
}

/* Callbacks may end more, which is swept too; what there is to tell about that
 * waits for the next tick. */
void dht_leave(struct dht *d)
{
    assert(d->depth > 0);
    if (d->depth > 1) {
        d->depth--;
        return;
    }
    sweep(d);
    if (callbacks_run(&d->world.callbacks, &d->world.env, &d->doomed) &&
        !d->doomed)
        sweep(d);
    d->depth--;
    if (d->doomed)
        destroy(d);
}

/* Having no name is being called "main", on either side. */
static bool is_ours(const struct dht_config *config, struct bytes network)
{
    static const char main_network[] = "main";
    struct bytes own = bytes_of_text(config->network);

    if (network.len == 0)
        network = bytes_of_text(main_network);
    if (own.len == 0)
        own = bytes_of_text(main_network);
    return bytes_equal(network, own);
}

static enum error receive(struct dht *d, const struct endpoint *from,
                          struct bytes datagram)
{
    const struct dht_config *config = &d->world.config;
    struct dht_message m;
    enum error err;

    if (!endpoint_is_usable(from) || !config->family[from->family])
        return ERR_ADDRESS;
    err = dht_message_read(config->dialect, datagram, &m);
    if (err != OK) {
        if (is_ours(config, m.network))
            service_refuse(&d->service, from, &m, datagram.len, err);
        return err;
    }
    if (!is_ours(config, m.network))
        return ERR_NETWORK;
    if (m.kind == DHT_QUERY)
        return service_answer(&d->service, from, &m, datagram.len);
    return queries_receive(&d->queries, from, &m);
}

enum error dht_receive(struct dht *d, const struct endpoint *from,
                       struct bytes datagram, uint64_t now)
{
    struct dht_stats *stats = &d->world.stats;
    enum error err;

    dht_enter(d, now);
    stats->received++;
    stats->received_bytes += datagram.len;
    err = receive(d, from, datagram);
    if (err != OK)
        stats->dropped[err]++;
    dht_leave(d);
    return err;
}

void dht_tick(struct dht *d, uint64_t now)
{
    dht_enter(d, now);
    queries_tick(&d->queries);
    lookups_tick(&d->lookups);
    publish_tick(&d->publications);
    maintain_tick(&d->maintain);
    service_tick(&d->service);
    dht_leave(d);
}

void dht_send_failed(struct dht *d, const struct endpoint *to, enum error why,
                     uint64_t now)
{
    dht_enter(d, now);
    queries_send_failed(&d->queries, to, why);
    dht_leave(d);
}

uint64_t dht_next_deadline(const struct dht *d)
{
    uint64_t at =
        time_min(d->queries.next_at, lookups_next_deadline(&d->lookups));

    if (d->world.callbacks.waiting > 0)
        return 0;
    at = time_min(at, publish_next_deadline(&d->publications));
    at = time_min(at, maintain_next_deadline(&d->maintain));
    return time_min(at, service_next_deadline(&d->service));
}

void dht_network_changed(struct dht *d, const bool usable[FAMILIES],
                         const bool moved[FAMILIES], uint64_t now)
{
    dht_enter(d, now);
    join_network_changed(&d->maintain, usable, moved);
    dht_leave(d);
}

void dht_set_address(struct dht *d, enum family f, const struct endpoint *ours,
                     uint64_t now)
{
    dht_enter(d, now);
    contacts_settle(&d->contacts, f, ours);
    dht_leave(d);
}

void dht_set_load(struct dht *d, unsigned load)
{
    service_set_load(&d->service, load);
}

/* ---- Ways in ------------------------------------------------------------- */

/* These neither send nor report: what they lead to is done by the next tick. So
 * they need no dht_enter. */

enum error dht_bootstrap_add(struct dht *d, const struct endpoint *ep,
                             uint64_t now)
{
    return join_bootstrap_add(&d->maintain, ep, now);
}

void dht_bootstrap_clear(struct dht *d)
{
    join_bootstrap_clear(&d->maintain);
}

void dht_node_add(struct dht *d, const struct id *id, const struct endpoint *ep,
                  uint64_t now)
{
    join_node_add(&d->maintain, id, ep, now);
}
