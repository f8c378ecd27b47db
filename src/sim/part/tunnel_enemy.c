/* SPDX-License-Identifier: MIT
 *
 * Hostile members with a role: honest engines, made to misbehave from when the
 * adversary begins.
 *
 *     relay    announced under all the well-known keys, as far as the DHT
 *              engine's max_publications goes
 *     refuse   no link is opened but to accomplices: what is to be extended to
 *              others is overdue, which the client hears as the other's fault
 *     drop     circuits get built; DROP_AFTER later nothing of the client goes
 *              on through it, nor back, nor out at an exit. Introductions and
 *              lookups are done
 *     observe  what is seen of clients and services: tunnel_spy.h
 *
 * Whatever they do, their descriptors say that they are `weight` times as fast
 * as the settings make them. Who knows a relay already, hears of it when that
 * is asked again, hours later.
 *
 * Who of the adversary's is a client, a service or a member of a string does
 * what others do.
 */
#include "sim/part/tunnel_spy.h"
#include "sim/part/tunnel_truth.h"

#include "sim/tunnel_node.h"
#include "tunnel/path/path_weight.h"

#include <stdlib.h>

#define KEYS_A_SECOND 8 /* announced by one relay, until all are */
#define DROP_AFTER    (2 * TIME_S)

struct hostile_relay {
    const struct laboratory *lab;
    struct sim_tunnel *n;
    uint32_t place;
    bool engaged;
    unsigned keys; /* announced */
    struct member_config config;
};

struct enemy {
    struct laboratory *lab;
    struct hostile_relay **relays;
    uint32_t count, cap;
    struct tunnel_spy spy;
    enum error error; /* the first failure of what came */
};

static bool does(const struct laboratory *lab, enum scenario_behaviour b)
{
    return lab->scenario->adversary.does[b];
}

/* ---- Behaviours ---------------------------------------------------------- */

static bool keeps(const struct sim_tunnel *n, const struct endpoint *to,
                  struct bytes datagram)
{
    const struct hostile_relay *r = n->above.arg;

    return datagram.len > 1 && datagram.p[1] == LINK_INIT &&
           !truth_is_hostile(r->lab, to, sim_now(n->sim));
}

/* Bytes a second; what says nothing of its bandwidth counts as the default. */
static uint64_t faster(uint64_t bandwidth, double weight)
{
    double usual = bandwidth != 0 ? (double)bandwidth
                                  : WEIGHT_DECLARED_DEFAULT * 1000.0;
    double most = 1e12;

    return (uint64_t)(usual * weight < most ? usual * weight : most);
}

static enum error boast(struct hostile_relay *r, double weight)
{
    struct member_config *c = &r->config;

    if (weight <= 1)
        return OK;
    c->queue.bandwidth = faster(c->queue.bandwidth, weight);
    return sim_tunnel_reconfigure(r->n, c);
}

static enum error engage(struct hostile_relay *r)
{
    r->engaged = true;
    r->n->above.arg = r;
    r->n->swallows = does(r->lab, BEHAVE_DROP);
    if (does(r->lab, BEHAVE_REFUSE))
        r->n->keeps = keeps;
    return boast(r, r->lab->scenario->adversary.weight);
}

/* The engine's own announcement stays, and each is renewed by itself. */
static void announce(struct hostile_relay *r)
{
    const struct dht_provider *dht = r->n->dht;
    unsigned end = r->keys + KEYS_A_SECOND;

    for (; r->keys < end && r->keys < DIRECTORY_KEYS; r->keys++) {
        struct id key;

        directory_key(r->config.network, r->keys, &key);
        (void)dht->announce(dht->ctx, &key); /* as many as it takes */
    }
    sim_wake(r->n->sim, r->n->node);
}

static void drop(struct transit *t)
{
    t->extended = false;
    if (t->joined == NULL)
        return;
    t->joined->joined = NULL;
    t->joined = NULL;
}

static void drop_circuits(struct hostile_relay *r, uint64_t now)
{
    struct transits *transits = member_router(r->n->member)->transits;

    for (unsigned i = 0; i < transits_count(transits); i++) {
        struct transit *t = transits_at(transits, i);

        if ((t->extended || t->joined != NULL) && t->step == NULL &&
            time_since(t->created_at, now) >= DROP_AFTER)
            drop(t);
    }
}

static enum error act(struct hostile_relay *r, uint64_t now)
{
    enum error e = r->engaged ? OK : engage(r);

    if (e == OK && does(r->lab, BEHAVE_RELAY) && r->keys < DIRECTORY_KEYS)
        announce(r);
    if (e == OK && does(r->lab, BEHAVE_DROP))
        drop_circuits(r, now);
    return e;
}

/* ---- The population ------------------------------------------------------ */

static enum error make_room(struct enemy *x)
{
    uint32_t cap = x->cap == 0 ? 16 : 2 * x->cap;
    struct hostile_relay **relays;

    if (x->count < x->cap)
        return OK;
    relays = realloc(x->relays, cap * sizeof(struct hostile_relay *));
    if (relays == NULL)
        return ERR_NO_MEMORY;
    x->relays = relays;
    x->cap = cap;
    return OK;
}

static enum error add(struct enemy *x, const struct population_member *m,
                      uint64_t now)
{
    struct hostile_relay *r = calloc(1, sizeof(*r));
    enum error e = r == NULL ? ERR_NO_MEMORY : make_room(x);

    if (e != OK) {
        free(r);
        return e;
    }
    r->lab = x->lab;
    r->n = sim_tunnel_of(x->lab->sim, m->node);
    r->config = x->lab->scenario->engines[m->variant].tunnel;
    r->place = x->count;
    x->relays[x->count++] = r;
    return truth_enemy_is_there(x->lab, now) ? engage(r) : OK;
}

static void drop_relay(struct enemy *x, struct hostile_relay *r)
{
    x->relays[r->place] = x->relays[--x->count];
    x->relays[r->place]->place = r->place;
    free(r);
}

static bool is_hostile_relay(const struct population_member *m)
{
    return m->hostile &&
           (m->role == POPULATION_RELAY || m->role == POPULATION_EXIT);
}

static void came(void *ctx, struct population_member *m, uint64_t now)
{
    struct enemy *x = ctx;
    enum error e = OK;

    if (is_hostile_relay(m) && sim_tunnel_of(x->lab->sim, m->node) != NULL)
        e = add(x, m, now);
    else if (does(x->lab, BEHAVE_OBSERVE))
        e = tunnel_spy_came(&x->spy, m, now);
    if (x->error == OK)
        x->error = e;
}

static void leaves(void *ctx, struct population_member *m, uint64_t now)
{
    struct enemy *x = ctx;
    const struct sim_tunnel *n = sim_tunnel_of(x->lab->sim, m->node);

    (void)now;
    tunnel_spy_left(&x->spy, m->index);
    if (n == NULL || !is_hostile_relay(m))
        return;
    for (uint32_t i = 0; i < x->count; i++)
        if (x->relays[i]->n == n) {
            drop_relay(x, x->relays[i]);
            return;
        }
}

/* ---- The part ------------------------------------------------------------ */

static void release(void *part)
{
    struct enemy *x = part;

    for (uint32_t i = 0; i < x->count; i++)
        free(x->relays[i]);
    free(x->relays);
    tunnel_spy_deinit(&x->spy);
    free(x);
}

static bool has_tunnels(const struct scenario *s)
{
    return s->tunnels.relays + s->tunnels.exits + s->adversary.relays > 0;
}

static enum error make(struct laboratory *lab, void **out)
{
    struct enemy *x;

    *out = NULL;
    if (!has_tunnels(lab->scenario) || truth_enemy_begins(lab) == TIME_NEVER)
        return OK;
    x = calloc(1, sizeof(*x));
    if (x == NULL)
        return ERR_NO_MEMORY;
    x->lab = x->spy.lab = lab;
    population_listen(lab->population,
                      &(struct population_listener){
                          .ctx = x, .came = came, .leaves = leaves});
    *out = x;
    return OK;
}

static enum error harvest(void *part, uint64_t now)
{
    struct enemy *x = part;
    enum error e = x->error;

    if (!truth_enemy_is_there(x->lab, now))
        return e;
    for (uint32_t i = 0; i < x->count && e == OK; i++)
        e = act(x->relays[i], now);
    tunnel_spy_harvest(&x->spy, now);
    return e;
}

const struct part_kind tunnel_enemy = {
    .name = "tunnel_enemy", .make = make, .harvest = harvest, .free = release};
