/* SPDX-License-Identifier: MIT
 *
 * What an answer brings to a lookup: nodes, which may be made up, and peers,
 * how many peers, or items.
 */
#include "dht/lookup/lookup_parts.h"

#include "dht/contacts/contacts.h"
#include "dht/contacts/naming.h"
#include "dht/types/bloom.h"
#include "dht/world/world.h"

#include <stdlib.h>
#include <string.h>

/* ---- Nodes --------------------------------------------------------------- */

/* An answer whose nodes are being taken. */
struct naming {
    struct lookup *l;
    struct place at;     /* of who names them */
    struct candidate by; /* a copy: adding may move the list */
    struct dht_step *step;
    unsigned named, misplaced; /* nodes; those whose id is not BEP 42's */
};

static void add_named(struct naming *n, enum family f,
                      const struct named *nodes, size_t count)
{
    uint8_t hop = (uint8_t)(n->by.hop < UINT8_MAX ? n->by.hop + 1 : UINT8_MAX);
    uint8_t namer = f == n->at.family ? n->at.slot : LOOKUP_NOBODY;

    for (size_t i = 0; i < count; i++) {
        enum error err = lookup_side_add(&n->l->side[f], &nodes[i].id,
                                         &nodes[i].ep, hop, namer, 0);

        n->named++;
        n->misplaced += err == ERR_SIGNATURE;
        n->step->fresh += err == OK;
        if (n->step->fresh >= LOOKUP_PER_ANSWER)
            return;
    }
}

bool lookup_take_nodes(struct lookup *l, struct place by,
                       const struct dht_message *m, struct dht_step *step)
{
    struct contacts *contacts = l->all->contacts;
    struct naming n = {
        .l = l, .at = by, .by = *lookup_candidate(l, by), .step = step};
    const struct named namer = {n.by.id, n.by.ep};

    for (int f = 0; f < FAMILIES && !l->single; f++) {
        struct named nodes[DHT_NODES_MAX];
        size_t count = naming_read(f == FAMILY_IPV4 ? m->nodes : m->nodes6,
                                   (enum family)f, nodes);

        if (!l->want_family[f])
            continue;
        step->nodes += (unsigned)count;
        if (naming_contradicts(contacts, &namer, nodes, count))
            return false;
        count = naming_leave_out(contacts, &namer.ep, nodes, count);
        add_named(&n, (enum family)f, nodes, count);
        if (n.misplaced < 2)
            naming_tell(contacts, (enum family)f, nodes, count);
    }
    /* A node that keeps BEP 42 has no such contacts to name. */
    return n.misplaced < 2 || 2 * n.misplaced < n.named;
}

/* ---- Peers --------------------------------------------------------------- */

#define PEERS_GROW 64 /* room is made for so many at a time */

static bool is_new_peer(struct lookup *l, const struct endpoint *ep)
{
    if (l->values == LOOKUP_PEERS_MAX)
        return false;
    for (unsigned i = 0; i < l->values; i++) {
        if (endpoint_equal(&l->peers[i], ep))
            return false;
    }
    if (l->values % PEERS_GROW == 0) {
        size_t cap = l->values + PEERS_GROW;
        struct endpoint *peers = realloc(l->peers, cap * sizeof(*peers));

        if (peers == NULL)
            return false;
        l->peers = peers;
    }
    l->peers[l->values] = *ep;
    return true;
}

static void found(struct lookup *l, const struct lookup_find *what,
                  const struct dht_step *step)
{
    if (l->values++ == 0)
        l->hops = step->hop;
    if (l->client->found != NULL)
        l->client->found(l->ctx, what, step);
}

static void take_peers(struct lookup *l, const struct dht_message *m,
                       struct dht_step *step)
{
    bool testing = l->all->w->config.testing_network;

    step->values = (unsigned)m->value_count;
    for (size_t i = 0; i < m->value_count; i++) {
        const struct endpoint *ep = &m->values[i];

        if (!endpoint_is_usable(ep) ||
            (!testing && !endpoint_is_global(ep) &&
             endpoint_is_global(&step->to)) ||
            !is_new_peer(l, ep))
            continue;
        found(l, &(struct lookup_find){.peer = ep}, step);
    }
}

/* Filters that are fuller than nodes keep them (BEP 33) say nothing. */
static void take_filters(struct lookup_scrape *s, const struct dht_message *m)
{
    const uint32_t both = DHT_HAS_SEED_BLOOM | DHT_HAS_PEER_BLOOM;

    if (s == NULL || (m->has & both) != both ||
        bloom_estimate(m->seed_bloom) > BLOOM_ADDRESSES_MAX ||
        bloom_estimate(m->peer_bloom) > BLOOM_ADDRESSES_MAX)
        return;
    bloom_join(s->seeds, m->seed_bloom);
    bloom_join(s->others, m->peer_bloom);
    s->nodes++;
}

/* ---- Items --------------------------------------------------------------- */

/* Cheap first: a signature is only verified for a seq that is news. */
static bool is_new_item(const struct lookup *l, const struct dht_item *item)
{
    struct id target;

    if (l->has_item && (!item->mutable_item || item->seq <= l->seq))
        return false;
    dht_item_target(item, &target);
    return id_equal(&target, &l->target) && dht_item_verify(item) == OK;
}

static bool read_item(const struct lookup *l, const struct dht_message *m,
                      struct dht_item *item)
{
    const uint32_t signed_fields = DHT_HAS_KEY | DHT_HAS_SIGNATURE |
                                   DHT_HAS_SEQ;

    if (!(m->has & DHT_HAS_VALUE))
        return false;
    *item = (struct dht_item){.value = &m->value};
    if (!(m->has & DHT_HAS_KEY))
        return true;
    if ((m->has & signed_fields) != signed_fields)
        return false;
    item->mutable_item = true;
    memcpy(item->key, m->key, sizeof(item->key));
    memcpy(item->signature, m->signature, sizeof(item->signature));
    item->seq = m->seq;
    item->salt = l->salt;
    return true;
}

static void take_item(struct lookup *l, const struct dht_message *m,
                      struct dht_step *step)
{
    struct dht_item item;

    if (!read_item(l, m, &item))
        return;
    step->values = 1;
    if (!is_new_item(l, &item))
        return;
    l->has_item = true;
    l->seq = item.seq;
    found(l, &(struct lookup_find){.item = &item}, step);
    /* What hashes to its target cannot be bettered; who stores wants the
     * nearest all the same. */
    l->complete = !item.mutable_item && !l->keeps_tokens;
}

static void take_samples(struct lookup *l, const struct dht_message *m,
                         struct dht_step *step)
{
    const struct dht_samples s = {
        .samples = m->samples,
        .interval = m->interval,
        .num = m->num,
    };

    if (!(m->has & DHT_HAS_SAMPLES))
        return; /* answered like find_node: it knows nothing of BEP 51 */
    step->values = (unsigned)(m->samples.len / ID_BYTES);
    l->values = step->values;
    if (l->client->found != NULL)
        l->client->found(l->ctx, &(struct lookup_find){.samples = &s}, step);
}

void lookup_take_values(struct lookup *l, const struct dht_message *m,
                        struct dht_step *step)
{
    if (l->method == DHT_GET_PEERS) {
        take_filters(l->scrape, m);
        take_peers(l, m, step);
    } else if (l->method == DHT_GET) {
        take_item(l, m, step);
    } else if (l->method == DHT_SAMPLE_INFOHASHES) {
        take_samples(l, m, step);
    }
}
