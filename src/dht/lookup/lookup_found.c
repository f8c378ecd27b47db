/* SPDX-License-Identifier: MIT
 *
 * What an answer brings to a lookup: nodes, which may be made up, and peers
 * or items.
 */
#include "dht/lookup/lookup.h"

#include "dht/engine.h"
#include "dht/publish/publish.h"

#include <stdlib.h>
#include <string.h>

/* ---- Nodes --------------------------------------------------------------- */

struct named {
    struct id id;
    struct endpoint ep;
};

/* What is wrong with the nodes of one answer. */
struct verdict {
    unsigned named, misplaced;
    bool contradicts; /* one address under two ids */
};

static size_t read_nodes(struct bytes in, enum family f, struct named *out)
{
    size_t size = f == FAMILY_IPV4 ? COMPACT_NODE4 : COMPACT_NODE6;
    size_t n = 0;

    for (size_t at = 0; at + size <= in.len && n < DHT_NODES_MAX; at += size) {
        struct bytes ep = bytes_of(in.p + at + ID_BYTES, size - ID_BYTES);

        memcpy(out[n].id.b, in.p + at, ID_BYTES);
        if (endpoint_read_compact(ep, &out[n].ep) == OK)
            n++;
    }
    return n;
}

static bool same_place(const struct dht *d, const struct endpoint *a,
                       const struct endpoint *b)
{
    return d->config.testing_network ? endpoint_equal(a, b)
                                     : endpoint_same_addr(a, b);
}

static bool contradicts(const struct dht *d, const struct candidate *by,
                        const struct named *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (same_place(d, &nodes[i].ep, &by->ep) &&
            !id_equal(&nodes[i].id, &by->id))
            return true;
        for (size_t j = 0; j < i; j++) {
            if (same_place(d, &nodes[i].ep, &nodes[j].ep) &&
                !id_equal(&nodes[i].id, &nodes[j].id))
                return true;
        }
    }
    return false;
}

/* Nobody may send us to our own address, nor, from the Internet, to those of
 * our local network. */
static bool may_name(const struct dht *d, const struct candidate *by,
                     const struct named *node)
{
    enum family f = (enum family)node->ep.family;
    struct endpoint own;

    if (!endpoint_is_usable(&node->ep) || id_equal(&node->id, &d->self[f]))
        return false;
    if (vote_winner(&d->vote[f], &own) && endpoint_equal(&node->ep, &own))
        return false;
    return d->config.testing_network || endpoint_is_global(&node->ep) ||
           !endpoint_is_global(&by->ep);
}

static void add_named(struct dht *d, struct lookup *l, enum family f,
                      enum family by_family, uint8_t by_slot,
                      const struct named *nodes, size_t n, struct verdict *v,
                      struct dht_step *step)
{
    /* A copy: adding may move the list, or give its slot to another. */
    const struct candidate by = l->side[by_family].slots[by_slot];
    uint8_t namer = f == by_family ? by_slot : LOOKUP_NOBODY;

    for (size_t i = 0; i < n; i++) {
        enum error err;

        if (!may_name(d, &by, &nodes[i]))
            continue;
        v->named++;
        if (!d->config.testing_network &&
            !node_id_matches(&nodes[i].id, &nodes[i].ep)) {
            v->misplaced++;
            continue;
        }
        err = lookup_side_add(
            &l->side[f], &nodes[i].id, &nodes[i].ep,
            (uint8_t)(by.hop < UINT8_MAX ? by.hop + 1 : UINT8_MAX), namer, 0);
        step->fresh += err == OK;
        if (step->fresh >= LOOKUP_PER_ANSWER)
            return;
    }
}

static void tell_table(struct dht *d, enum family f, const struct candidate *by,
                       const struct named *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (may_name(d, by, &nodes[i]))
            table_named(&d->table[f], &nodes[i].id, &nodes[i].ep, d->now);
    }
    if (n > 0)
        maintain_candidate(d, f);
}

bool lookup_take_nodes(struct dht *d, struct lookup *l, enum family by_family,
                       uint8_t slot, const struct dht_message *m,
                       struct dht_step *step)
{
    const struct candidate by = l->side[by_family].slots[slot];
    struct verdict v = {0};

    for (int f = 0; f < FAMILIES && !l->single; f++) {
        struct named nodes[DHT_NODES_MAX];
        size_t n = read_nodes(f == FAMILY_IPV4 ? m->nodes : m->nodes6,
                              (enum family)f, nodes);

        if (!l->want_family[f])
            continue;
        step->nodes += (unsigned)n;
        if (contradicts(d, &by, nodes, n))
            return false;
        add_named(d, l, (enum family)f, by_family, slot, nodes, n, &v, step);
        if (v.misplaced < 2)
            tell_table(d, (enum family)f, &by, nodes, n);
    }
    /* A node that keeps BEP 42 has no such contacts to name. */
    return v.misplaced < 2 || 2 * v.misplaced < v.named;
}

/* ---- Peers --------------------------------------------------------------- */

static bool is_new_peer(struct lookup *l, const struct endpoint *ep)
{
    if (l->values == LOOKUP_PEERS_MAX)
        return false;
    for (unsigned i = 0; i < l->values; i++) {
        if (endpoint_equal(&l->peers[i], ep))
            return false;
    }
    if (l->values % DHT_VALUES_MAX == 0) {
        size_t cap = l->values + DHT_VALUES_MAX;
        struct endpoint *peers = realloc(l->peers, cap * sizeof(*peers));

        if (peers == NULL)
            return false;
        l->peers = peers;
    }
    l->peers[l->values] = *ep;
    return true;
}

static void found_value(struct lookup *l, const struct dht_step *step)
{
    if (l->values++ == 0)
        l->hops = step->hop;
}

static void take_peers(struct dht *d, struct lookup *l,
                       const struct dht_message *m, struct dht_step *step)
{
    step->values = (unsigned)m->value_count;
    for (size_t i = 0; i < m->value_count && !l->dead; i++) {
        const struct endpoint *ep = &m->values[i];

        if (!endpoint_is_usable(ep) ||
            (!d->config.testing_network && !endpoint_is_global(ep) &&
             endpoint_is_global(&step->to)) ||
            !is_new_peer(l, ep))
            continue;
        found_value(l, step);
        if (l->handler.peer != NULL)
            l->handler.peer(l->handler.ctx, ep, step);
    }
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
    found_value(l, step);
    if (l->publication != NULL && item.mutable_item)
        publish_saw_item(l, &item);
    if (l->publication == NULL && l->handler.item != NULL)
        l->handler.item(l->handler.ctx, &item, step);
    /* What hashes to its target cannot be bettered. */
    l->complete = !item.mutable_item && l->publication == NULL;
}

static void take_samples(struct lookup *l, const struct dht_message *m,
                         struct dht_step *step)
{
    struct dht_samples s = {
        .samples = m->samples,
        .interval = m->interval,
        .num = m->num,
    };

    step->values = (unsigned)(m->samples.len / ID_BYTES);
    l->values = step->values;
    if (l->samples != NULL)
        l->samples(l->handler.ctx, &s);
}

bool lookup_take_values(struct dht *d, struct lookup *l,
                        const struct dht_message *m, struct dht_step *step)
{
    if (l->method == DHT_GET_PEERS)
        take_peers(d, l, m, step);
    else if (l->method == DHT_GET)
        take_item(l, m, step);
    else if (l->method == DHT_SAMPLE_INFOHASHES)
        take_samples(l, m, step);
    return !l->dead;
}
