/* SPDX-License-Identifier: MIT
 *
 * A victim's circuits are looked at each second, a client's less often, until
 * all is known that there is to know. Each minute of each victim is one more
 * for the curves.
 */
#include "sim/part/tunnel_spy.h"

#include "sim/part/tunnel_truth.h"
#include "sim/tunnel_node.h"

#include <stdlib.h>

#define CLIENT_LOOKS 5 /* seconds between two looks at a client */

#define FIRST  1U
#define SECOND 2U
#define THIRD  4U
#define BEHIND 8U

/* ---- Victims ------------------------------------------------------------- */

static enum error make_room(struct tunnel_spy *s)
{
    uint32_t cap = s->cap == 0 ? 64 : 2 * s->cap;
    struct spied *list;

    if (s->count < s->cap)
        return OK;
    list = realloc(s->list, cap * sizeof(*list));
    if (list == NULL)
        return ERR_NO_MEMORY;
    s->list = list;
    s->cap = cap;
    return OK;
}

static bool is_victim(const struct population_member *m)
{
    return !m->hostile &&
           (m->role == POPULATION_CLIENT || m->role == POPULATION_SERVICE ||
            m->role == POPULATION_ASSOCIATE);
}

enum error tunnel_spy_came(struct tunnel_spy *s,
                           const struct population_member *m, uint64_t now)
{
    uint64_t begins = truth_enemy_begins(s->lab);
    enum error e;

    if (!is_victim(m))
        return OK;
    e = make_room(s);
    if (e == OK)
        s->list[s->count++] =
            (struct spied){.node = m->node,
                           .member = m->index,
                           .client = m->role == POPULATION_CLIENT,
                           .since = now > begins ? now : begins};
    return e;
}

void tunnel_spy_left(struct tunnel_spy *s, uint32_t member)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->list[i].member != member)
            continue;
        s->list[i] = s->list[--s->count];
        return;
    }
}

void tunnel_spy_deinit(struct tunnel_spy *s)
{
    free(s->list);
    s->list = NULL;
    s->count = s->cap = 0;
}

/* ---- Looking ------------------------------------------------------------- */

static void learn_service(struct spied *v, const struct circuit *c,
                          unsigned hostile)
{
    if (c->built >= 2)
        v->second |= (hostile & (FIRST | SECOND | THIRD)) != 0;
    if (c->built >= 3)
        v->third |= (hostile & (SECOND | THIRD | BEHIND)) != 0;
}

static void look(const struct tunnel_spy *s, struct spied *v, uint64_t now)
{
    const struct sim_tunnel *n = sim_tunnel_of(s->lab->sim, v->node);
    const struct circuits *cs;

    if (n == NULL)
        return;
    cs = member_router(n->member)->circuits;
    for (unsigned i = 0; i < circuits_count(cs); i++) {
        const struct circuit *c = circuits_at(cs, i);
        unsigned hostile = truth_hostile_hops(s->lab, c, now);

        if (c->length > 1)
            v->guard |= (hostile & FIRST) != 0;
        if (!v->client && c->use == CIRCUIT_FOR_SERVICE)
            learn_service(v, c, hostile);
    }
}

static bool is_worth_a_look(const struct spied *v, uint64_t now)
{
    if (v->client)
        return !v->guard && (now / TIME_S + v->member) % CLIENT_LOOKS == 0;
    return !v->second || !v->third;
}

/* ---- Counting ------------------------------------------------------------ */

static void count(const struct tunnel_spy *s, const struct spied *v)
{
    struct measures *m = s->lab->measures;
    unsigned hops = s->lab->scenario->services.hops;

    if (v->client)
        measure_curve(m, M_GUARD_HOSTILE, v->minutes, v->guard, 1);
    if (!v->client && hops >= 2)
        measure_curve(m, M_SECOND_KNOWN, v->minutes, v->second, 1);
    if (!v->client && hops >= 3)
        measure_curve(m, M_THIRD_KNOWN, v->minutes, v->third, 1);
}

void tunnel_spy_harvest(struct tunnel_spy *s, uint64_t now)
{
    for (uint32_t i = 0; i < s->count; i++) {
        struct spied *v = &s->list[i];

        if (now < v->since)
            continue;
        if (is_worth_a_look(v, now))
            look(s, v, now);
        for (; v->since + v->minutes * TIME_MIN <= now; v->minutes++)
            count(s, v);
    }
}
