/* SPDX-License-Identifier: MIT */
#include "sim/part/dht/truth.h"

#include "sim/dht_node.h"

#include <stdlib.h>

struct dht_truth_row {
    bool in[FAMILIES];
    struct id id[FAMILIES]; /* as it is in the index */
};

static bool reserve(struct dht_truth *t, uint32_t index)
{
    uint32_t cap = t->cap == 0 ? 64 : t->cap;
    struct dht_truth_row *rows;

    if (index < t->cap)
        return true;
    while (cap <= index)
        cap *= 2;
    rows = realloc(t->rows, cap * sizeof(*rows));
    if (rows == NULL)
        return false;
    for (uint32_t i = t->cap; i < cap; i++)
        rows[i] = (struct dht_truth_row){.in = {false}};
    t->rows = rows;
    t->cap = cap;
    return true;
}

static void put(struct dht_truth *t, const struct population_member *m,
                enum family f)
{
    struct dht_truth_row *row = &t->rows[m->index];
    const struct sim_dht *n = sim_dht_of(t->lab->sim, m->node);
    struct endpoint ep;
    enum error err;

    if (n == NULL || !sim_endpoint(t->lab->sim, m->node, f, &ep))
        return;
    if (row->in[f] && id_equal(&row->id[f], &n->id[f]))
        return;
    if (row->in[f])
        id_index_remove(&t->index[f], &row->id[f], m->index);
    err = id_index_add(&t->index[f], &n->id[f], m->index);
    row->in[f] = err == OK;
    row->id[f] = n->id[f];
    if (t->error == OK)
        t->error = err;
}

/* Whether it is one that a lookup can and should find: what is behind a NAT
 * hears none but whom it has asked itself. */
static bool counts(const struct population_member *m)
{
    return m->present && !m->hostile && !m->read_only && m->nat == NAT_NONE;
}

static void look_at(struct dht_truth *t, const struct population_member *m)
{
    if (!counts(m))
        return;
    if (!reserve(t, m->index)) {
        t->error = ERR_NO_MEMORY;
        return;
    }
    for (int f = 0; f < FAMILIES; f++)
        put(t, m, (enum family)f);
}

static bool is_asker(const struct population_member *m)
{
    return !m->hostile && !m->bootstrap;
}

static void on_came(void *ctx, struct population_member *m, uint64_t now)
{
    struct dht_truth *t = ctx;

    (void)now;
    t->askers += is_asker(m);
    look_at(t, m);
}

static void on_leaves(void *ctx, struct population_member *m, uint64_t now)
{
    struct dht_truth *t = ctx;

    (void)now;
    t->askers -= is_asker(m);
    for (int f = 0; m->index < t->cap && f < FAMILIES; f++) {
        struct dht_truth_row *row = &t->rows[m->index];

        if (row->in[f])
            id_index_remove(&t->index[f], &row->id[f], m->index);
        row->in[f] = false;
    }
}

enum error dht_truth_init(struct dht_truth *t, const struct laboratory *lab)
{
    const struct population_listener listener = {
        .ctx = t, .came = on_came, .leaves = on_leaves};

    *t = (struct dht_truth){.lab = lab};
    for (int f = 0; f < FAMILIES; f++) {
        enum error err =
            id_index_init(&t->index[f], lab->scenario->nodes.count);

        if (err != OK) {
            dht_truth_deinit(t);
            return err;
        }
    }
    population_listen(lab->population, &listener);
    return OK;
}

void dht_truth_deinit(struct dht_truth *t)
{
    for (int f = 0; f < FAMILIES; f++)
        id_index_deinit(&t->index[f]);
    free(t->rows);
    t->rows = NULL;
}

enum error dht_truth_harvest(struct dht_truth *t)
{
    uint32_t all = population_count(t->lab->population);

    for (uint32_t n = all / DHT_TRUTH_ROUND + 1; all > 0 && n > 0; n--) {
        t->hand = t->hand + 1 < all ? t->hand + 1 : 0;
        look_at(t, population_at(t->lab->population, t->hand));
    }
    return t->error;
}

/* ---- What a lookup should have found ------------------------------------- */

static bool has_found(const struct dht_result *found, const struct id *id)
{
    for (size_t i = 0; i < found->closest_count; i++)
        if (id_equal(&found->closest[i].id, id))
            return true;
    return false;
}

/* Of both families together the nearest; the asker does not ask itself. */
static size_t nearest(const struct dht_truth *t, uint32_t asker,
                      const struct id *target, struct id_entry *out)
{
    uint32_t node = population_at(t->lab->population, asker)->node;
    size_t n = 0;

    for (int f = 0; f < FAMILIES; f++) {
        struct id_entry some[DHT_K + 1];
        struct endpoint ep;
        size_t count;

        if (!sim_endpoint(t->lab->sim, node, (enum family)f, &ep))
            continue;
        count = id_index_nearest(&t->index[f], target, DHT_K + 1, some);
        for (size_t i = 0; i < count; i++)
            if (some[i].who != asker)
                n = id_entry_sort_in(target, &some[i], DHT_K, out, n);
    }
    return n;
}

unsigned dht_truth_score(const struct dht_truth *t, uint32_t asker,
                         const struct id *target,
                         const struct dht_result *found, unsigned *of)
{
    struct id_entry truth[DHT_K];
    size_t n = nearest(t, asker, target, truth);
    unsigned hits = 0;

    for (size_t i = 0; i < n; i++)
        hits += has_found(found, &truth[i].id);
    *of = (unsigned)n;
    return hits;
}
