/* SPDX-License-Identifier: MIT */
#include "dht/engine.h"

#include "dht/lookup/lookup.h"
#include "dht/publish/publish.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
        .query_rate = 2000,
        .query_burst = 4000,
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

static struct limiter_config limits(const struct dht_config *c)
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

static void init_family(struct dht *d, enum family f, uint64_t now)
{
    if (d->config.has_id[f])
        d->self[f] = d->config.id[f];
    else
        d->env.random(d->env.ctx, d->self[f].b, ID_BYTES);
    table_init(&d->table[f], f, &d->self[f], d->config.testing_network,
               d->config.bucket_refresh, now);
    vote_init(&d->vote[f], f);
    size_estimate_init(&d->size[f]);
}

enum error dht_new(const struct dht_config *config, const struct dht_env *env,
                   uint64_t now, struct dht **out)
{
    struct limiter_config rates = limits(config);
    struct peer_store_config peers = peer_limits(config);
    struct item_store_config items = item_limits(config);
    enum error err = check_config(config);
    struct dht *d;

    if (err != OK)
        return err;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return ERR_NO_MEMORY;
    d->env = *env;
    d->config = *config;
    if (strcmp(config->network, "main") == 0)
        d->config.network[0] = '\0'; /* what messages say about it */
    d->random = (struct random_source){env->ctx, env->random};
    d->now = now;
    d->publish_at = TIME_NEVER;
    for (int f = 0; f < FAMILIES; f++)
        init_family(d, (enum family)f, now);
    rpc_init(&d->rpc);
    limiter_init(&d->limiter, &rates, &d->random);
    token_keys_init(&d->tokens, &d->random, now);
    peer_store_init(&d->peers, &peers, &d->random, now);
    item_store_init(&d->items, &items, &d->random);
    maintain_init(d);
    *out = d;
    return OK;
}

void dht_free(struct dht *d)
{
    if (d == NULL)
        return;
    assert(d->depth == 0);
    lookup_sweep(d, true);
    publish_free_all(d);
    maintain_deinit(d);
    item_store_deinit(&d->items);
    peer_store_deinit(&d->peers);
    token_keys_deinit(&d->tokens);
    limiter_deinit(&d->limiter);
    rpc_deinit(&d->rpc);
    for (int f = 0; f < FAMILIES; f++)
        table_deinit(&d->table[f]);
    free(d);
}

enum error dht_reconfigure(struct dht *d, const struct dht_config *config)
{
    struct limiter_config rates = limits(config);
    struct peer_store_config peers = peer_limits(config);
    struct item_store_config items = item_limits(config);
    struct dht_config old = d->config;
    enum error err = check_config(config);

    if (err != OK)
        return err;
    d->config = *config;
    memcpy(d->config.network, old.network, sizeof(old.network));
    memcpy(d->config.family, old.family, sizeof(old.family));
    memcpy(d->config.has_id, old.has_id, sizeof(old.has_id));
    memcpy(d->config.id, old.id, sizeof(old.id));
    d->config.testing_network = old.testing_network;
    limiter_configure(&d->limiter, &rates);
    peer_store_configure(&d->peers, &peers);
    item_store_configure(&d->items, &items);
    for (int f = 0; f < FAMILIES; f++)
        table_set_refresh(&d->table[f], config->bucket_refresh);
    return OK;
}

/* ---- Life ---------------------------------------------------------------- */

void engine_enter(struct dht *d, uint64_t now)
{
    d->now = now;
    d->depth++;
}

void engine_leave(struct dht *d)
{
    assert(d->depth > 0);
    if (d->depth == 1) {
        lookup_sweep(d, false);
        publish_sweep(d);
    }
    d->depth--;
}

static bool is_ours(const struct dht *d, struct bytes network)
{
    static const char main_network[] = "main";
    struct bytes own = bytes_of_text(d->config.network);

    if (network.len == 0)
        network = bytes_of_text(main_network);
    if (own.len == 0)
        own = bytes_of_text(main_network);
    return bytes_equal(network, own);
}

static enum error receive(struct dht *d, const struct endpoint *from,
                          struct bytes datagram)
{
    struct dht_message m;
    enum error err;

    if (!endpoint_is_usable(from) || !d->config.family[from->family])
        return ERR_ADDRESS;
    err = dht_message_read(datagram, &m);
    if (err != OK)
        return err;
    if (!is_ours(d, m.network))
        return ERR_NETWORK;
    if (m.kind == DHT_QUERY)
        return answer_query(d, from, &m, datagram.len);
    return rpc_receive(d, from, &m);
}

enum error dht_receive(struct dht *d, const struct endpoint *from,
                       struct bytes datagram, uint64_t now)
{
    enum error err;

    engine_enter(d, now);
    d->stats.received++;
    d->stats.received_bytes += datagram.len;
    err = receive(d, from, datagram);
    if (err != OK)
        d->stats.dropped[err]++;
    engine_leave(d);
    return err;
}

void dht_tick(struct dht *d, uint64_t now)
{
    engine_enter(d, now);
    rpc_tick(d);
    lookup_tick(d);
    publish_tick(d);
    maintain_tick(d);
    if (peer_store_next_deadline(&d->peers) <= now)
        peer_store_expire(&d->peers, now);
    if (item_store_next_deadline(&d->items) <= now)
        item_store_expire(&d->items, now);
    engine_leave(d);
}

uint64_t dht_next_deadline(const struct dht *d)
{
    uint64_t at = time_min(d->rpc.next_at, lookup_next_deadline(d));

    at = time_min(at, publish_next_deadline(d));
    at = time_min(at, maintain_next_deadline(d));
    at = time_min(at, peer_store_next_deadline(&d->peers));
    return time_min(at, item_store_next_deadline(&d->items));
}

/* ---- What the parts share ------------------------------------------------ */

void engine_send(struct dht *d, const struct endpoint *to,
                 const uint8_t *datagram, size_t len)
{
    d->stats.sent++;
    d->stats.sent_bytes += len;
    d->env.send(d->env.ctx, to, bytes_of(datagram, len));
}

uint64_t engine_jitter(const struct dht *d, uint64_t base, uint64_t jitter)
{
    uint64_t part = random_u32(&d->random);

    return base - jitter + (2 * jitter >> 16) * (part >> 16);
}

void engine_node_answered(struct dht *d, const struct id *id,
                          const struct endpoint *ep, uint64_t rtt)
{
    enum family f = (enum family)ep->family;
    struct dht_event event = {
        .kind = DHT_EVENT_NODE, .family = f, .id = *id, .from = *ep};
    enum table_change change =
        table_answered(&d->table[f], id, ep, rtt, d->now);

    d->stats.table_refused += change == TABLE_REFUSED;
    d->stats.table_added += change == TABLE_ADDED;
    d->stats.table_replaced += change == TABLE_REPLACED;
    if (change == TABLE_REFUSED || change == TABLE_CACHED)
        return;
    maintain_contact(d, f);
    if (change != TABLE_REFRESHED)
        d->env.event(d->env.ctx, &event);
}

void engine_node_failed(struct dht *d, const struct id *id,
                        const struct endpoint *ep)
{
    enum family f = (enum family)ep->family;

    table_failed(&d->table[f], id, ep, d->now);
    maintain_lost(d, f);
}

/* ---- Who we are ---------------------------------------------------------- */

static void take_new_id(struct dht *d, enum family f,
                        const struct endpoint *external)
{
    struct dht_event event = {
        .kind = DHT_EVENT_ID, .family = f, .from = *external};
    uint8_t r = (uint8_t)random_u32(&d->random);
    struct id id;

    node_id_generate(external, r, &d->random, &id);
    if (table_rehome(&d->table[f], &id, d->now) != OK)
        return;
    d->self[f] = id;
    event.id = id;
    maintain_new_id(d, f);
    d->env.event(d->env.ctx, &event);
}

/* Before anybody is in the table a single claim will do: nodes with ids that
 * do not fit their address are nobody's contact, so a network whose nodes all
 * wait for a quorum would wait for ever. So it does when the rounds after
 * joining are over and there are still fewer than make a quorum. A wrong
 * claim is corrected by the vote, and the rounds bound how often it changes.
 * An id that served in an earlier life is not given up that easily. */
static bool believe_first(const struct dht *d, enum family f)
{
    const struct join *join = &d->maintain.join[f];

    if (!join->joined)
        return !d->config.has_id[f] || join->failed > 1;
    return d->table[f].live < VOTE_QUORUM &&
           join->rounds == MAINTAIN_EARLY_ROUNDS;
}

void engine_vote(struct dht *d, const struct endpoint *voter,
                 const struct endpoint *claimed)
{
    enum family f = (enum family)voter->family;
    struct vote *v = &d->vote[f];
    struct endpoint external, before = v->winner;
    bool moved;

    if (claimed->family != f || !endpoint_is_usable(claimed))
        return;
    moved = v->ever_known;
    moved = vote_add(v, voter, claimed, d->now) && moved &&
            !endpoint_same_addr(&before, &v->winner);
    if (moved)
        publish_hurry(d);
    else if (vote_is_contradicted(v))
        maintain_doubt(d, f);
    if (d->config.testing_network)
        return;
    if (!vote_winner(&d->vote[f], &external)) {
        if (!believe_first(d, f))
            return;
        external = *claimed;
    }
    if (!node_id_matches(&d->self[f], &external))
        take_new_id(d, f, &external);
}
