/* SPDX-License-Identifier: MIT
 *
 * What others do changes the table first; then it is counted; then the watch
 * and, where it matters, the world hear of it. A vote on our address may end in
 * a new id, for which the table is made anew (table_rehome).
 */
#include "dht/contacts/contacts.h"

#include "dht/types/node_id.h"

void contacts_init(struct contacts *c, struct dht_world *w)
{
    *c = (struct contacts){.w = w};
    for (int f = 0; f < FAMILIES; f++) {
        if (w->config.has_id[f])
            c->self[f] = w->config.id[f];
        else
            w->env.random(w->env.ctx, c->self[f].b, ID_BYTES);
        table_init(&c->table[f], (enum family)f, &c->self[f],
                   dht_config_ids(&w->config), w->config.bucket_refresh,
                   w->now);
        vote_init(&c->vote[f], (enum family)f);
        size_estimate_init(&c->size[f]);
    }
}

void contacts_deinit(struct contacts *c)
{
    for (int f = 0; f < FAMILIES; f++)
        table_deinit(&c->table[f]);
}

void contacts_watch(struct contacts *c, const struct contacts_watch *watch,
                    void *ctx)
{
    c->watch = watch;
    c->watch_ctx = ctx;
}

bool contacts_leave_out(const struct contacts *c, enum family f)
{
    enum family other = f == FAMILY_IPV4 ? FAMILY_IPV6 : FAMILY_IPV4;

    return c->cut[f] && c->w->config.family[other] && !c->cut[other];
}

/* ---- What happened to a node --------------------------------------------- */

void contacts_answered(struct contacts *c, const struct id *id,
                       const struct endpoint *ep, uint64_t rtt)
{
    struct dht_stats *stats = &c->w->stats;
    enum family f = (enum family)ep->family;
    const struct dht_event event = {
        .kind = DHT_EVENT_NODE, .family = f, .id = *id, .from = *ep};
    enum table_change change =
        table_answered(&c->table[f], id, ep, rtt, c->w->now);

    stats->table_refused += change == TABLE_REFUSED;
    stats->table_added += change == TABLE_ADDED;
    stats->table_replaced += change == TABLE_REPLACED;
    if (change == TABLE_REFUSED || change == TABLE_CACHED)
        return;
    c->watch->gained(c->watch_ctx, f);
    if (change == TABLE_REFRESHED)
        return;
    c->met(c->publish_ctx, f, id);
    world_tell(c->w, &event);
}

void contacts_failed(struct contacts *c, const struct id *id,
                     const struct endpoint *ep)
{
    enum family f = (enum family)ep->family;

    table_failed(&c->table[f], id, ep, c->w->now);
    c->watch->lost(c->watch_ctx, f);
}

/* Somebody else lives at the address now, or pretends to, and has yet to be
 * asked. On the mainline DHT that is a node that was started anew, so that the
 * old one is gone; but one that has another id each time is not asked for ever.
 */
void contacts_renamed(struct contacts *c, const struct id *id,
                      const struct id *answered, const struct endpoint *ep)
{
    enum family f = (enum family)ep->family;
    struct table *t = &c->table[f];

    if (t->ids != NODE_ID_LENIENT) {
        contacts_failed(c, id, ep);
        contacts_named(c, answered, ep);
    } else if (!table_gone(t, id, ep, c->w->now)) {
        contacts_named(c, answered, ep);
        c->watch->lost(c->watch_ctx, f);
        c->watch->candidate(c->watch_ctx, f);
    }
}

void contacts_heard(struct contacts *c, const struct id *id,
                    const struct endpoint *ep)
{
    enum family f = (enum family)ep->family;

    table_heard(&c->table[f], id, ep, c->w->now);
    c->watch->candidate(c->watch_ctx, f);
}

void contacts_named(struct contacts *c, const struct id *id,
                    const struct endpoint *ep)
{
    table_named(&c->table[ep->family], id, ep, c->w->now);
}

void contacts_look(struct contacts *c, enum family f)
{
    c->watch->candidate(c->watch_ctx, f);
}

/* ---- Who we are ---------------------------------------------------------- */

static void take_new_id(struct contacts *c, enum family f,
                        const struct endpoint *external)
{
    struct dht_world *w = c->w;
    struct dht_event event = {
        .kind = DHT_EVENT_ID, .family = f, .from = *external};
    uint8_t r = (uint8_t)random_u32(&w->random);
    struct id id;

    node_id_generate(external, r, &w->random, &id);
    if (table_rehome(&c->table[f], &id, w->now) != OK)
        return;
    c->self[f] = id;
    event.id = id;
    c->watch->new_id(c->watch_ctx, f);
    world_tell(w, &event);
}

/* True when our address was known and is another one now. */
static bool count_vote(struct contacts *c, enum family f,
                       const struct endpoint *voter,
                       const struct endpoint *claimed)
{
    struct vote *v = &c->vote[f];
    struct endpoint before = v->winner;
    bool was_known = v->ever_known;

    return vote_add(v, voter, claimed, c->w->now) && was_known &&
           !endpoint_same_addr(&before, &v->winner);
}

void contacts_vote(struct contacts *c, const struct endpoint *voter,
                   const struct endpoint *claimed)
{
    enum family f = (enum family)voter->family;
    struct endpoint external;

    if (claimed->family != f || !endpoint_is_usable(claimed))
        return;
    if (count_vote(c, f, voter, claimed))
        c->moved(c->publish_ctx);
    else if (!endpoint_same_addr(claimed, &c->vote[f].winner) &&
             vote_is_contradicted(&c->vote[f]))
        c->watch->doubt(c->watch_ctx, f);
    if (c->w->config.testing_network)
        return;
    if (!vote_winner(&c->vote[f], &external)) {
        if (!c->watch->believes_anybody(c->watch_ctx, f))
            return;
        external = *claimed;
    }
    if (!node_id_matches(&c->self[f], &external))
        take_new_id(c, f, &external);
}

void contacts_settle(struct contacts *c, enum family f,
                     const struct endpoint *ours)
{
    struct vote *v = &c->vote[f];
    bool moved = ours != NULL && v->ever_known &&
                 !endpoint_same_addr(&v->winner, ours);

    vote_settle(v, ours);
    if (moved)
        c->moved(c->publish_ctx);
    if (ours != NULL && !c->w->config.testing_network &&
        !node_id_matches(&c->self[f], ours))
        take_new_id(c, f, ours);
}
