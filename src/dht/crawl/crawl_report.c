/* SPDX-License-Identifier: MIT */
#include "dht/crawl/crawl_report.h"

#include "dht/types/node_id.h"

#include <stdlib.h>
#include <string.h>

#define LIES_MIN 4
#define VERSIONS_ALL                                        \
    256 /* told apart; who makes up more is with the others \
         */

static const double quantiles[CRAWL_QUANTILES] = {0.05, 0.25, 0.5, 0.75, 0.95};

static bool is_seen(const struct crawl_node *n, enum family f)
{
    return n->state == CRAWL_ANSWERED && n->ep.family == f;
}

/* ---- Round trips --------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static enum error round_trips(const struct crawl *c, enum family f,
                              struct crawl_report *r)
{
    uint32_t all = crawl_node_count(c);
    uint32_t *rtt = calloc((size_t)all + 1, sizeof(*rtt));
    size_t n = 0;

    if (rtt == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < all; i++) {
        if (is_seen(crawl_node_at(c, i), f))
            rtt[n++] = crawl_node_at(c, i)->rtt_us;
    }
    qsort(rtt, n, sizeof(*rtt), compare);
    for (size_t i = 0; i < CRAWL_QUANTILES && n > 0; i++)
        r->rtt_ms[i] =
            rtt[(size_t)(quantiles[i] * (double)(n - 1) + 0.5)] / 1e3;
    free(rtt);
    return OK;
}

/* ---- Versions ------------------------------------------------------------ */

static int by_nodes(const void *a, const void *b)
{
    const struct crawl_version *x = a, *y = b;

    if (x->nodes != y->nodes)
        return x->nodes < y->nodes ? 1 : -1;
    return memcmp(x->text, y->text, sizeof(x->text));
}

static void count_version(struct crawl_version *all, size_t *count,
                          const struct crawl_node *n, struct crawl_report *r)
{
    size_t i = 0;

    while (i < *count &&
           (all[i].len != n->version_len ||
            memcmp(all[i].text, n->version, sizeof(n->version)) != 0))
        i++;
    if (i == VERSIONS_ALL) {
        r->other_versions++;
        return;
    }
    if (i == *count) {
        all[i].len = n->version_len;
        memcpy(all[i].text, n->version, sizeof(n->version));
        ++*count;
    }
    all[i].nodes++;
}

static enum error versions(const struct crawl *c, enum family f,
                           struct crawl_report *r)
{
    struct crawl_version *all = calloc(VERSIONS_ALL, sizeof(*all));
    size_t count = 0;

    if (all == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < crawl_node_count(c); i++) {
        if (is_seen(crawl_node_at(c, i), f))
            count_version(all, &count, crawl_node_at(c, i), r);
    }
    qsort(all, count, sizeof(*all), by_nodes);
    for (size_t i = 0; i < count; i++) {
        if (i < CRAWL_VERSIONS)
            r->versions[r->version_count++] = all[i];
        else
            r->other_versions += all[i].nodes;
    }
    free(all);
    return OK;
}

/* ---- Lies ---------------------------------------------------------------- */

/* What each has named that nobody else knows and that is not there. */
static enum error lies(const struct crawl *c, enum family f,
                       struct crawl_report *r)
{
    uint32_t all = crawl_node_count(c);
    uint32_t *lies = calloc((size_t)all + 1, sizeof(*lies));

    if (lies == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < all; i++) {
        const struct crawl_node *n = crawl_node_at(c, i);

        if (n->state == CRAWL_SILENT && n->named_by == 1 &&
            n->first_namer != CRAWL_NOBODY)
            lies[n->first_namer]++;
    }
    for (uint32_t i = 0; i < all; i++) {
        const struct crawl_node *n = crawl_node_at(c, i);

        if (!is_seen(n, f) || lies[i] < LIES_MIN || 2 * lies[i] < n->names)
            continue;
        r->liars++;
        r->lies += lies[i];
    }
    free(lies);
    return OK;
}

/* ---- Together ------------------------------------------------------------ */

static void count(const struct crawl *c, enum family f, struct crawl_report *r)
{
    uint64_t once = 0, twice = 0;

    for (uint32_t i = 0; i < crawl_node_count(c); i++) {
        const struct crawl_node *n = crawl_node_at(c, i);

        if (n->ep.family != f)
            continue;
        r->states[n->state]++;
        r->named++;
        if (n->state != CRAWL_ANSWERED)
            continue;
        r->id_changed += n->id_changed;
        r->id_at_odds += !node_id_matches(&n->id, &n->ep);
        once += n->named_by == 1;
        twice += n->named_by == 2;
    }
    crawl_recapture(r->states[CRAWL_ANSWERED], once, twice, &r->recapture);
}

/* Who has asked everybody knows better than who has looked at some places. */
static void choose_size(const struct crawl *c, struct crawl_report *r)
{
    uint64_t left = r->states[CRAWL_NAMED] + r->states[CRAWL_ASKED] +
                    r->states[CRAWL_WAITS];
    struct crawl_counts counts;

    crawl_counts(c, &counts);
    if (left > 0 || counts.refused_full > 0)
        r->recapture.known = false;
    r->size = r->recapture.known ? r->recapture : r->density;
}

enum error crawl_report(const struct crawl *c, enum family f,
                        struct crawl_report *out)
{
    struct crawl_report r = {0};
    enum error err;

    count(c, f, &r);
    crawl_probe_density(c, f, &r.density);
    choose_size(c, &r);
    err = round_trips(c, f, &r);
    if (err == OK)
        err = versions(c, f, &r);
    if (err == OK)
        err = lies(c, f, &r);
    if (err == OK)
        *out = r;
    return err;
}
