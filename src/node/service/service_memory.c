/* SPDX-License-Identifier: MIT
 *
 * Rows of the store to rows of the engine, and back.
 */
#include "node/service/service_memory.h"

#include "store/store_service.h"

#include <stdio.h>
#include <string.h>

_Static_assert(STORE_VANGUARDS_MAX >= VANGUARD_MAX, "a set must fit");
_Static_assert(STORE_SERVICE_SALT ==
                   sizeof(((struct service_point_row *)0)->salt),
               "a salt must fit");

static void add_point(void *ctx, const struct store_service_point *p)
{
    struct service_remembered *r = ctx;
    struct service_point_row *row;

    if (r->memory.point_count == MEMORY_POINTS)
        return;
    row = &r->points[r->memory.point_count++];
    *row = (struct service_point_row){.relay.ep = p->endpoint,
                                      .since = p->since,
                                      .until = p->until,
                                      .introductions = p->introductions,
                                      .period = p->period};
    memcpy(row->relay.identity, p->relay, sizeof(p->relay));
    memcpy(row->relay.handshake_key, p->handshake_key,
           sizeof(p->handshake_key));
    memcpy(row->salt, p->salt, sizeof(p->salt));
}

static void add_seq(void *ctx, const struct store_service_seq *s)
{
    struct service_remembered *r = ctx;

    if (r->memory.seq_count < MEMORY_SEQS)
        r->seqs[r->memory.seq_count++] = (struct service_seq_row){
            .period = s->period, .access = s->access, .seq = s->seq};
}

static void take_set(void *ctx, const struct store_vanguards *v)
{
    struct vanguard_set *set = ctx;

    set->count = v->count;
    for (unsigned i = 0; i < v->count; i++) {
        memcpy(set->list[i].identity, v->list[i].relay, STORE_KEY_SIZE);
        set->list[i].since = v->list[i].since;
        set->list[i].until = v->list[i].until;
    }
}

void service_memory_load(struct store *store, const char *name,
                         struct service_remembered *out)
{
    memset(out, 0, sizeof(*out));
    out->memory.points = out->points;
    out->memory.seqs = out->seqs;
    out->memory.third.third = true;
    store_each_service_point(store, name, add_point, out);
    store_each_service_seq(store, name, add_seq, out);
    store_each_vanguards(store, name, take_set, &out->memory.third);
}

void service_memory_layer2(struct store *store, struct vanguard_set *out)
{
    *out = (struct vanguard_set){.count = 0};
    store_each_vanguards(store, "", take_set, out);
}

enum error service_memory_point(struct store *store, const char *name,
                                const struct service_point_row *row)
{
    struct store_service_point p = {.endpoint = row->relay.ep,
                                    .since = row->since,
                                    .until = row->until,
                                    .introductions = row->introductions,
                                    .period = row->period};

    snprintf(p.service, sizeof(p.service), "%s", name);
    memcpy(p.relay, row->relay.identity, sizeof(p.relay));
    memcpy(p.handshake_key, row->relay.handshake_key, sizeof(p.handshake_key));
    memcpy(p.salt, row->salt, sizeof(p.salt));
    return store_put_service_point(store, &p);
}

enum error service_memory_seq(struct store *store, const char *name,
                              const struct service_seq_row *row)
{
    struct store_service_seq s = {
        .access = row->access, .period = row->period, .seq = row->seq};

    snprintf(s.service, sizeof(s.service), "%s", name);
    return store_put_service_seq(store, &s);
}

enum error service_memory_vanguards(struct store *store, const char *name,
                                    const struct vanguard_set *set)
{
    struct store_vanguards v = {.count = 0};

    snprintf(v.service, sizeof(v.service), "%s", name);
    for (unsigned i = 0; i < set->count; i++) {
        if (set->list[i].provisional)
            continue;
        memcpy(v.list[v.count].relay, set->list[i].identity, STORE_KEY_SIZE);
        v.list[v.count].since = set->list[i].since;
        v.list[v.count++].until = set->list[i].until;
    }
    return v.count == 0 ? OK : store_put_vanguards(store, &v);
}
