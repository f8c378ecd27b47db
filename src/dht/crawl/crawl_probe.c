/* SPDX-License-Identifier: MIT */
#include "dht/crawl/crawl_probe.h"

#include <stdlib.h>
#include <string.h>

enum error crawl_probes_init(struct crawl_probes *p, enum family family,
                             unsigned count, const struct random_source *r)
{
    *p = (struct crawl_probes){.count = count, .family = family};
    p->targets = calloc(count > 0 ? count : 1, sizeof(*p->targets));
    if (p->targets == NULL)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < count; i++)
        r->fill(r->ctx, p->targets[i].id.b, ID_BYTES);
    return OK;
}

void crawl_probes_deinit(struct crawl_probes *p)
{
    free(p->targets);
}

/* ---- Who is near --------------------------------------------------------- */

static bool is_gone(const struct crawl_node *n)
{
    return n->state == CRAWL_SILENT || n->state == CRAWL_REFUSED ||
           n->state == CRAWL_UNSENT;
}

/* Sorts it in; beyond CRAWL_NEAR the farthest falls off. */
static void put(struct crawl_target *t, const struct crawl_book *b,
                uint32_t node)
{
    const struct id *id = &b->nodes[node].id;
    unsigned at = t->count;

    while (at > 0 &&
           id_compare_distance(&t->id, id, &b->nodes[t->near[at - 1]].id) < 0)
        at--;
    if (t->count == CRAWL_NEAR)
        t->cut = true;
    else
        t->count++;
    if (at == CRAWL_NEAR)
        return;
    memmove(t->near + at + 1, t->near + at,
            (t->count - at - 1) * sizeof(t->near[0]));
    t->near[at] = node;
}

/* Those that fell off are looked for again. */
static void refill(struct crawl_target *t, const struct crawl_book *b,
                   enum family family)
{
    t->count = 0;
    t->cut = false;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct crawl_node *n = &b->nodes[i];

        if (n->ep.family == family && n->has_id && !is_gone(n))
            put(t, b, i);
    }
}

void crawl_probes_offer(struct crawl_probes *p, const struct crawl_book *b,
                        uint32_t node)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (!p->targets[i].done)
            put(&p->targets[i], b, node);
    }
}

static void take_out(struct crawl_target *t, uint32_t node)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < t->count; i++) {
        if (t->near[i] != node)
            t->near[kept++] = t->near[i];
    }
    t->count = (uint8_t)kept;
}

void crawl_probes_drop(struct crawl_probes *p, const struct crawl_book *b,
                       uint32_t node)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct crawl_target *t = &p->targets[i];

        if (t->done)
            continue;
        take_out(t, node);
        if (t->cut && t->count < DHT_K) {
            refill(t, b, p->family);
            take_out(t, node);
        }
    }
}

/* ---- Done, and next ------------------------------------------------------ */

static bool is_done(const struct crawl_target *t, const struct crawl_book *b)
{
    if (t->count < DHT_K)
        return false;
    for (unsigned i = 0; i < DHT_K; i++) {
        if (b->nodes[t->near[i]].state != CRAWL_ANSWERED)
            return false;
    }
    return true;
}

void crawl_probes_settle(struct crawl_probes *p, const struct crawl_book *b)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct crawl_target *t = &p->targets[i];

        if (t->done || !is_done(t, b))
            continue;
        t->done = true;
        p->done++;
    }
}

/* The nearest of those that count which was not asked. */
static uint32_t unasked(const struct crawl_target *t,
                        const struct crawl_book *b)
{
    for (unsigned i = 0; i < t->count && i < DHT_K; i++) {
        if (b->nodes[t->near[i]].state == CRAWL_NAMED)
            return t->near[i];
    }
    return CRAWL_NOBODY;
}

uint32_t crawl_probes_next(struct crawl_probes *p, const struct crawl_book *b,
                           struct id *target)
{
    for (unsigned n = 0; n < p->count; n++) {
        const struct crawl_target *t = &p->targets[p->turn];
        uint32_t node = t->done ? CRAWL_NOBODY : unasked(t, b);

        p->turn = (p->turn + 1) % p->count;
        if (node != CRAWL_NOBODY) {
            *target = t->id;
            return node;
        }
    }
    return CRAWL_NOBODY;
}
