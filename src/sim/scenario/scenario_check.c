/* SPDX-License-Identifier: MIT
 *
 * Values that are right by themselves but not together.
 */
#include "sim/scenario/scenario_load.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A mistake that has to do with this key, and stands where that was set, or
 * else by its name. */
#define wrong(l, section, name, ...)                                      \
    do {                                                                  \
        char where_[SCENARIO_WHERE_SIZE];                                 \
        scenario_report(l, place(l, section, name, where_), __VA_ARGS__); \
    } while (0)

static size_t key_at(const struct scenario_table *t, const char *section,
                     const char *name)
{
    size_t i = 0;

    while (i < t->count && (strcmp(t->keys[i].section, section) != 0 ||
                            strcmp(t->keys[i].name, name) != 0))
        i++;
    assert(i < t->count);
    return i;
}

static const char *place(const struct scenario_loader *l, const char *section,
                         const char *name, char where[SCENARIO_WHERE_SIZE])
{
    const struct scenario_table *t = &l->table[0];
    size_t i = key_at(t, section, name);

    if (t->set[i].where != NULL && t->set[i].line != 0)
        snprintf(where, SCENARIO_WHERE_SIZE, "%s:%u", t->set[i].where,
                 t->set[i].line);
    else if (t->set[i].where != NULL)
        snprintf(where, SCENARIO_WHERE_SIZE, "%s", t->set[i].where);
    else
        snprintf(where, SCENARIO_WHERE_SIZE, "%s.%s", section, name);
    return where;
}

static void check_nodes(struct scenario_loader *l)
{
    const struct scenario_nodes *n = &l->scenario->nodes;

    if (n->bootstraps >= n->count)
        wrong(l, "nodes", "bootstraps",
              "bootstraps (%u) must be fewer than count (%u)", n->bootstraps,
              n->count);
    if (n->ipv6_only + n->dual > 1)
        wrong(l, "nodes", "dual", "ipv6_only and dual are more than 100%%");
    if (n->cone_nat + n->symmetric_nat > 1)
        wrong(l, "nodes", "cone_nat",
              "cone_nat and symmetric_nat are more than 100%%");
    if (n->trace[0] != '\0' && n->session.kind != SPREAD_FOREVER)
        wrong(l, "nodes", "session",
              "a trace says when nodes come and go; leave session out, or the "
              "trace");
}

/* Whether the command line says it: in a sweep, what does nothing there may be
 * what the other points are compared with. */
static bool is_override(const struct scenario_loader *l, const char *section,
                        const char *name)
{
    const struct scenario_table *t = &l->table[0];
    size_t i = key_at(t, section, name);

    return t->set[i].where != NULL && t->set[i].line == 0;
}

static void check_habits(struct scenario_loader *l)
{
    const struct scenario_nodes *n = &l->scenario->nodes;
    const struct scenario_habits *h = &l->scenario->habits;
    bool mainline = n->dialect == DHT_DIALECT_MAINLINE || n->both > 0;
    bool any = false;

    for (int i = 0; i < SCENARIO_HABITS; i++)
        any |= h->has[i];
    if (h->share > 0 && !any && !is_override(l, "habits", "has"))
        wrong(l, "habits", "share",
              "share has no habits that it could have; set has, or leave share "
              "out");
    if (any && h->share <= 0 && !is_override(l, "habits", "share"))
        wrong(l, "habits", "has",
              "nobody has these habits; set share, or leave has out");
    if (any && h->share > 0 && !mainline &&
        !is_override(l, "nodes", "dialect") && !is_override(l, "nodes", "both"))
        wrong(l, "habits", "share",
              "habits are of nodes of the mainline DHT, and there are none; "
              "set dialect = mainline, or both, in [nodes]");
}

static void check_network(struct scenario_loader *l)
{
    const struct scenario_network *n = &l->scenario->network;

    if (n->regions[0] != '\0' && n->latency.kind != SPREAD_FOREVER)
        wrong(l, "network", "latency",
              "regions say how long datagrams take; leave latency out, or "
              "regions");
    if (n->places[0] != '\0' && n->regions[0] == '\0')
        wrong(l, "network", "places",
              "places need regions, the matrix that they are rows of");
}

/* Relays and exits that are not the adversary's alone. */
static unsigned relays_of(const struct scenario *s)
{
    return s->tunnels.relays + s->tunnels.exits + s->adversary.relays;
}

static unsigned longest(const struct scenario *s)
{
    bool serves = s->services.keys > 0 || s->services.strings > 0;
    unsigned most = serves ? s->services.hops : 0;

    for (unsigned i = 1; i <= SCENARIO_HOPS_MAX; i++) {
        if (s->tunnels.hops[i] && i > most)
            most = i;
    }
    return most;
}

static void check_tunnels(struct scenario_loader *l)
{
    const struct scenario *s = l->scenario;
    const struct scenario_tunnels *t = &s->tunnels;
    uint64_t served =
        (uint64_t)s->services.strings * s->services.members + s->services.keys;
    unsigned bootstraps = scenario_bootstraps(s);
    uint64_t roles = (uint64_t)t->relays + t->exits + t->clients + served;

    if (roles + bootstraps > s->nodes.count)
        wrong(l, "nodes", "count",
              "count is %u but relays, exits, clients, services and bootstraps "
              "are %" PRIu64 " together",
              s->nodes.count, roles + bootstraps);
    if ((t->clients > 0 || served > 0) && relays_of(s) < longest(s) + 1)
        wrong(l, "tunnels", "relays",
              "circuits of %u hops need at least %u relays and exits; there "
              "are %u",
              longest(s), longest(s) + 1, relays_of(s));
    if (t->clients > 0 && t->rate > 0 && t->exits == 0)
        wrong(l, "tunnels", "exits",
              "datagrams leave at exits, and there are none; set exits, or "
              "rate = 0");
    if (s->services.keys == 0 && t->clients == 0 && s->services.strings == 0 &&
        t->relays + t->exits > 0 && s->adversary.does[BEHAVE_REFUSE])
        wrong(l, "tunnels", "clients",
              "nobody builds circuits that could be refused; set clients");
}

static void check_adversary(struct scenario_loader *l)
{
    const struct scenario *s = l->scenario;
    const struct scenario_adversary *a = &s->adversary;

    if (a->does[BEHAVE_CROWD] && s->lookups.keys == 0)
        wrong(l, "adversary", "does",
              "crowd takes the ids nearest to the keys of [lookups], and there "
              "are none; set keys");
    if (a->relays > 0 && relays_of(s) == a->relays && s->tunnels.clients == 0)
        wrong(l, "adversary", "relays",
              "there are no tunnels to attack; set relays and clients in "
              "[tunnels]");
}

void scenario_check(struct scenario_loader *l)
{
    check_nodes(l);
    check_habits(l);
    check_network(l);
    check_tunnels(l);
    check_adversary(l);
}
