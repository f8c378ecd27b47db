/* SPDX-License-Identifier: MIT
 *
 * Ids are sorted; those that begin alike lie together, and the groups are a
 * tree: each splits at the first bit in which its members differ.
 */
#include "dht/crawl/crawl_cluster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Chance -------------------------------------------------------------- */

/* The tail of a Poisson distribution above its mean falls at least as fast as a
 * geometric series that begins with its first two terms. */
double crawl_chance(uint32_t nodes, int bits, uint32_t total)
{
    double n = nodes, parts = bits * log10(2);
    double mean = (double)total * exp2(-bits);
    double ratio = mean / (n + 1);
    double first;

    if (n <= mean + 1 || ratio >= 1)
        return parts;
    first = (n * log(mean) - mean - lgamma(n + 1)) / log(10);
    return parts + first - log10(1 - ratio);
}

/* ---- Those that have answered -------------------------------------------- */

static const struct crawl_node **answered(const struct crawl *c, enum family f,
                                          size_t *count)
{
    uint32_t all = crawl_node_count(c);
    const struct crawl_node **nodes =
        calloc((size_t)all + 1, sizeof(const struct crawl_node *));

    *count = 0;
    for (uint32_t i = 0; nodes != NULL && i < all; i++) {
        const struct crawl_node *n = crawl_node_at(c, i);

        if (n->state == CRAWL_ANSWERED && n->ep.family == f)
            nodes[(*count)++] = n;
    }
    return nodes;
}

static int by_id(const void *a, const void *b)
{
    const struct crawl_node *const *x = a, *const *y = b;

    return memcmp((*x)->id.b, (*y)->id.b, ID_BYTES);
}

static int by_address(const void *a, const void *b)
{
    const struct crawl_node *const *x = a, *const *y = b;

    return memcmp((*x)->ep.addr, (*y)->ep.addr, sizeof((*x)->ep.addr));
}

/* ---- Groups of ids ------------------------------------------------------- */

struct search {
    const struct crawl_node **nodes; /* by id */
    uint32_t total;
    struct crawl_cluster *found;
    size_t count, cap;
    bool failed;
};

static uint32_t hosts_of(const struct search *s, size_t from, size_t to)
{
    size_t n = to - from;
    const struct crawl_node **own =
        calloc(n, sizeof(const struct crawl_node *));
    uint32_t hosts = 1;

    if (own == NULL)
        return 0;
    for (size_t i = 0; i < n; i++)
        own[i] = s->nodes[from + i];
    qsort(own, n, sizeof(const struct crawl_node *), by_address);
    for (size_t i = 1; i < n; i++)
        hosts += !endpoint_same_addr(&own[i]->ep, &own[i - 1]->ep);
    free(own);
    return hosts;
}

static void add(struct search *s, size_t from, size_t to, int bits,
                double chance)
{
    struct crawl_cluster *c;

    if (s->count == s->cap) {
        size_t cap = s->cap == 0 ? 16 : 2 * s->cap;

        c = realloc(s->found, cap * sizeof(*c));
        if (c == NULL) {
            s->failed = true;
            return;
        }
        s->found = c;
        s->cap = cap;
    }
    c = &s->found[s->count++];
    *c = (struct crawl_cluster){.prefix = s->nodes[from]->id,
                                .bits = bits,
                                .nodes = (uint32_t)(to - from),
                                .hosts = hosts_of(s, from, to),
                                .expected = s->total * exp2(-bits),
                                .chance = chance};
    for (int i = bits; i < ID_BITS; i++)
        id_set_bit(&c->prefix, i, false);
}

/* The first place in [from, to) where bit `bit` is set. */
static size_t split(const struct search *s, size_t from, size_t to, int bit)
{
    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (id_bit(&s->nodes[middle]->id, bit))
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

/* The groups in [from, to), at least two nodes; returns the least chance among
 * them. Goes down no deeper than an id has bits. */
static double look(struct search *s, size_t from, size_t to)
{
    int bits = id_common_bits(&s->nodes[from]->id, &s->nodes[to - 1]->id);
    double own = crawl_chance((uint32_t)(to - from), bits, s->total);
    size_t before = s->count, middle;
    double best = INFINITY;

    if (bits < ID_BITS) {
        middle = split(s, from, to, bits);
        if (middle - from > 1)
            best = look(s, from, middle);
        if (to - middle > 1)
            best = fmin(best, look(s, middle, to));
    }
    if (own > best)
        return best;
    s->count = before;
    if (own < log10(CRAWL_CHANCE))
        add(s, from, to, bits, own);
    return own;
}

static int by_chance(const void *a, const void *b)
{
    const struct crawl_cluster *x = a, *y = b;

    return (x->chance > y->chance) - (x->chance < y->chance);
}

enum error crawl_clusters(const struct crawl *c, enum family f,
                          struct crawl_cluster **out, size_t *count)
{
    struct search s = {0};
    size_t nodes;

    s.nodes = answered(c, f, &nodes);
    if (s.nodes == NULL)
        return ERR_NO_MEMORY;
    s.total = (uint32_t)nodes;
    qsort(s.nodes, nodes, sizeof(const struct crawl_node *), by_id);
    if (nodes > 1)
        look(&s, 0, nodes);
    free(s.nodes);
    if (s.failed) {
        free(s.found);
        return ERR_NO_MEMORY;
    }
    if (s.count > 0)
        qsort(s.found, s.count, sizeof(*s.found), by_chance);
    *out = s.found;
    *count = s.count;
    return OK;
}

/* ---- Prefixes of addresses ----------------------------------------------- */

static int by_nodes(const void *a, const void *b)
{
    const struct crawl_network *x = a, *y = b;

    if (x->nodes != y->nodes)
        return x->nodes < y->nodes ? 1 : -1;
    return memcmp(x->prefix.addr, y->prefix.addr, sizeof(x->prefix.addr));
}

static struct endpoint prefix_of(const struct endpoint *ep, uint8_t bits)
{
    struct endpoint prefix = {.family = ep->family};

    memcpy(prefix.addr, ep->addr, bits / 8);
    return prefix;
}

enum error crawl_networks(const struct crawl *c, enum family f, uint8_t bits,
                          struct crawl_network **out, size_t *count)
{
    size_t nodes, n = 0;
    const struct crawl_node **sorted = answered(c, f, &nodes);
    struct crawl_network *found = calloc(nodes + 1, sizeof(*found));

    if (sorted == NULL || found == NULL) {
        free(sorted);
        free(found);
        return ERR_NO_MEMORY;
    }
    qsort(sorted, nodes, sizeof(const struct crawl_node *), by_address);
    for (size_t i = 0; i < nodes; i++) {
        if (n == 0 ||
            !endpoint_same_prefix(&found[n - 1].prefix, &sorted[i]->ep, bits))
            found[n++] = (struct crawl_network){
                .prefix = prefix_of(&sorted[i]->ep, bits), .bits = bits};
        found[n - 1].nodes++;
    }
    qsort(found, n, sizeof(*found), by_nodes);
    free(sorted);
    *out = found;
    *count = n;
    return OK;
}
