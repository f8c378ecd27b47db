/* SPDX-License-Identifier: MIT
 *
 * Which relays our circuits go through, and what the directory learns from
 * how they did.
 */
#include "tunnel/tunnel_internal.h"

#include <string.h>

static bool choose(struct tunnel *t, const struct path_request *request,
                   uint64_t now, struct path *path)
{
    t->path = path_choose(t->directory, &t->guards, request, &t->env.random,
                          t->wall, now, path);
    return t->path == PATH_FOUND;
}

enum error tunnel_choose_path(void *ctx, unsigned hops, struct link_target *out)
{
    struct tunnel *t = ctx;
    struct path_request request = {.hops = hops, .exit = true};
    struct path path = {0};

    if (!choose(t, &request, t->ticked_at, &path))
        return ERR_NO_NODES;
    memcpy(out, path.hops, hops * sizeof(*out));
    return OK;
}

/* Hop `index` is avoided: it may be its neighbour's fault, but another hop
 * has another neighbour. */
bool tunnel_replace_hops(void *ctx, const struct circuit *c, unsigned index,
                         enum reason why, struct link_target *out)
{
    struct tunnel *t = ctx;
    const uint8_t(*avoid)[32] = &c->hop[index].target.identity;
    struct path_request request = {
        .hops = c->length, .exit = true, .avoid = avoid, .avoid_count = 1};
    struct path path = {.count = index};

    if (why != REASON_FULL)
        directory_failed(t->directory, c->hop[index].target.identity,
                         t->ticked_at);
    for (unsigned i = 0; i < index; i++)
        path.hops[i] = c->hop[i].target;
    if (!choose(t, &request, t->ticked_at, &path))
        return false;
    memcpy(out, path.hops + index, (c->length - index) * sizeof(*out));
    return true;
}

void tunnel_path_worked(struct tunnel *t, const struct circuit *c)
{
    for (unsigned i = 0; i < c->length; i++)
        directory_succeeded(t->directory, c->hop[i].target.identity,
                            i == 0 ? c->end.link->rtt : 0, t->wall);
}

void tunnel_path_measured(struct tunnel *t, const struct circuit *c,
                          uint64_t bytes)
{
    uint64_t rate = bytes / 1000;

    if (rate == 0)
        return;
    if (rate > UINT32_MAX)
        rate = UINT32_MAX;
    for (unsigned i = 0; i < c->length; i++)
        directory_measured(t->directory, c->hop[i].target.identity,
                           (uint32_t)rate, t->wall);
}
