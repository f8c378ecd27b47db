/* SPDX-License-Identifier: MIT */
#include "dht/crawl/crawl_size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define Z          1.96 /* of the normal distribution: 95 % in the middle */
#define FEWEST     6    /* values that bound their median with 95 % */
#define NONE_TWICE 3.69 /* where none was counted, 97.5 %: up to so many */

/* ---- Density ------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(const double *sorted, size_t n)
{
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

void crawl_density(double *distances, size_t count, unsigned k,
                   struct crawl_size *out)
{
    double shape = (double)k - 1.0 / 3, n = (double)count;
    double low, high;

    *out = (struct crawl_size){.samples = (unsigned)count};
    if (count < FEWEST)
        return;
    qsort(distances, count, sizeof(*distances), compare);
    /* Ranks from 1; the nearest distance makes the largest network. */
    low = fmax(1, floor(n / 2 - Z / 2 * sqrt(n)));
    high = fmin(n, ceil(1 + n / 2 + Z / 2 * sqrt(n)));
    if (distances[(size_t)low - 1] <= 0)
        return;
    out->known = true;
    out->nodes = shape / median(distances, count);
    out->low = shape / distances[(size_t)high - 1];
    out->high = shape / distances[(size_t)low - 1];
}

/* As a part of the id space; a double has 53 bits: eight bytes do. */
static double distance(const struct id *a, const struct id *b)
{
    double value = 0, unit = 1.0 / 256;

    for (int i = 0; i < 8; i++, unit /= 256)
        value += (double)(a->b[i] ^ b->b[i]) * unit;
    return value;
}

/* Twice as many as count: those of one party make way for each other. */
#define KEPT (2 * DHT_K)

struct nearest {
    const struct crawl_node *at[KEPT];
    unsigned count;
};

static bool is_same_party(const struct crawl *c, const struct crawl_node *a,
                          const struct crawl_node *b)
{
    return id_equal(&a->id, &b->id) ||
           (!crawl_config_of(c)->testing_network &&
            source_same(&a->ep, &b->ep, SOURCE_SITE));
}

static void remove_at(struct nearest *n, unsigned at)
{
    memmove(&n->at[at], &n->at[at + 1],
            (n->count - at - 1) * sizeof(const struct crawl_node *));
    n->count--;
}

/* Sorts it in, in the place of a farther one of its party; beyond KEPT the
 * farthest falls off. */
static void put(const struct crawl *c, const struct id *target,
                const struct crawl_node *node, struct nearest *n)
{
    unsigned at = 0;

    while (at < n->count &&
           id_compare_distance(target, &n->at[at]->id, &node->id) <= 0) {
        if (is_same_party(c, n->at[at], node))
            return;
        at++;
    }
    if (at == KEPT)
        return;
    for (unsigned i = n->count; i > at; i--) {
        if (is_same_party(c, n->at[i - 1], node))
            remove_at(n, i - 1);
    }
    if (n->count == KEPT)
        n->count--;
    memmove(&n->at[at + 1], &n->at[at],
            (n->count - at) * sizeof(const struct crawl_node *));
    n->at[at] = node;
    n->count++;
}

/* False: there are not so many. */
static bool kth_distance(const struct crawl *c, enum family f,
                         const struct id *target, double *out)
{
    struct nearest n = {.count = 0};

    for (uint32_t i = 0; i < crawl_node_count(c); i++) {
        const struct crawl_node *node = crawl_node_at(c, i);

        if (node->state == CRAWL_ANSWERED && node->ep.family == f)
            put(c, target, node, &n);
    }
    if (n.count < DHT_K)
        return false;
    *out = distance(target, &n.at[DHT_K - 1]->id);
    return true;
}

void crawl_probe_density(const struct crawl *c, enum family f,
                         struct crawl_size *out)
{
    unsigned probes = crawl_config_of(c)->probes;
    double *distances = calloc(probes + 1, sizeof(*distances));
    size_t count = 0;

    *out = (struct crawl_size){.known = false};
    if (distances == NULL)
        return;
    for (unsigned i = 0; i < probes; i++) {
        struct id target;

        if (crawl_probe(c, f, i, &target) &&
            kth_distance(c, f, &target, &distances[count]))
            count++;
    }
    crawl_density(distances, count, DHT_K, out);
    free(distances);
}

/* ---- Recapture ----------------------------------------------------------- */

/* Chao 1987, equation 2, and where f2 is 0 its form without bias. */
static double unseen(double f1, double f2)
{
    return f2 > 0 ? f1 * f1 / (2 * f2) : f1 * (f1 - 1) / 2;
}

static double variance(double f1, double f2, double total)
{
    double r;

    if (f2 <= 0)
        return f1 * (f1 - 1) / 2 + f1 * (2 * f1 - 1) * (2 * f1 - 1) / 4 -
               f1 * f1 * f1 * f1 / (4 * total);
    r = f1 / f2;
    return f2 * (r * r / 2 + r * r * r + r * r * r * r / 4);
}

void crawl_recapture(uint64_t seen, uint64_t f1, uint64_t f2,
                     struct crawl_size *out)
{
    double s = (double)seen;
    double missed = unseen((double)f1, (double)f2);
    double spread, factor;

    *out = (struct crawl_size){.known = seen > 0,
                               .nodes = s + missed,
                               .low = s,
                               .samples = (unsigned)seen};
    if (missed <= 0) {
        out->high = s + unseen(NONE_TWICE, f2 > 0 ? (double)f2 : 1);
        return;
    }
    spread = variance((double)f1, (double)f2, out->nodes);
    factor = exp(Z * sqrt(log(1 + fmax(0, spread) / (missed * missed))));
    out->low = s + missed / factor;
    out->high = s + missed * factor;
}
