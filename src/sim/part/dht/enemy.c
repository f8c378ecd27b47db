/* SPDX-License-Identifier: MIT
 *
 * The adversary's nodes of the DHT that are nothing else (liar.h). They are
 * honest until [adversary] start; where they crowd, their ids are already what
 * they are for.
 */
#include "sim/part/dht/crowd.h"
#include "sim/part/dht/liar.h"
#include "sim/part/part.h"

#include <stdlib.h>

#define STREAM  UINT64_C(0x656e656d79) /* "enemy" */
#define THROUGH 8  /* bootstrap nodes that each is told of */
#define REFRESH 16 /* harvests until each one's ids have been looked at */

#define PLACES (16 * CROWD_A_KEY) /* of a key; others are by order */
#define PORT   6882               /* not that of addresses made from an index */

struct one {
    struct liar liar;
    uint32_t node; /* SIM_NODE_NONE: it has left */
    bool in[FAMILIES];
    struct id id[FAMILIES]; /* as they are in the ring */
};

struct dht_enemy {
    struct laboratory *lab;
    struct sim_rng rng;
    struct liar_ring ring;
    struct one **each; /* owned, as is each */
    uint32_t count, cap;
    uint32_t hand;
    bool ways[LIAR_MADE_UP + 1];
    uint32_t placed; /* that were given, or refused, a place */
    struct crowd_place places[PLACES];
    size_t place, place_count; /* which of them is the last one's */
    enum error error;
};

/* ---- Ids of accomplices -------------------------------------------------- */

static void forget(struct dht_enemy *e, struct one *o, int f)
{
    if (o->in[f])
        id_index_remove(&e->ring.friends[f], &o->id[f], o->node);
    o->in[f] = false;
}

static void look_at(struct dht_enemy *e, struct one *o)
{
    const struct sim_dht *n =
        o->node == SIM_NODE_NONE ? NULL : sim_dht_of(e->lab->sim, o->node);
    struct endpoint ep;

    for (int f = 0; n != NULL && f < FAMILIES; f++) {
        enum error err;

        if (!sim_endpoint(e->lab->sim, o->node, (enum family)f, &ep) ||
            (o->in[f] && id_equal(&o->id[f], &n->id[f])))
            continue;
        forget(e, o, f);
        o->id[f] = n->id[f];
        err = id_index_add(&e->ring.friends[f], &o->id[f], o->node);
        o->in[f] = err == OK;
        if (e->error == OK)
            e->error = err;
    }
}

/* ---- Where they are ------------------------------------------------------ */

/* The best places for the key at which the next ones are to crowd. */
static void search_places(struct dht_enemy *e, uint32_t number)
{
    uint32_t keys = e->lab->scenario->lookups.keys;
    uint32_t rounds = number / CROWD_A_KEY / (keys == 0 ? 1 : keys);

    e->place = rounds * CROWD_A_KEY;
    e->place_count = e->place + CROWD_A_KEY <= PLACES
                         ? crowd_places(e->lab->sim, e->lab->scenario, number,
                                        e->place + CROWD_A_KEY, e->places)
                         : 0;
}

static bool on_place(void *ctx, unsigned again, struct endpoint *out)
{
    struct dht_enemy *e = ctx;
    uint32_t number = e->placed;

    if (!e->lab->scenario->adversary.does[BEHAVE_CROWD])
        return false;
    if (again == 0) {
        if (number % CROWD_A_KEY == 0)
            search_places(e, number);
        else
            e->place++;
        e->placed++;
    }
    if (e->place >= e->place_count)
        return false;
    *out = e->places[e->place].ep;
    out->port = (uint16_t)(PORT + again);
    return true;
}

/* ---- Coming -------------------------------------------------------------- */

/* Of what the scenario says, what the `number`th does. */
static enum liar_way way_of(const struct dht_enemy *e, uint32_t number)
{
    enum liar_way have[3];
    unsigned n = 0;

    for (int way = LIAR_DROP; way <= LIAR_MADE_UP; way++)
        if (e->ways[way])
            have[n++] = (enum liar_way)way;
    return n == 0 ? LIAR_HONEST : have[number % n];
}

/* NULL: no memory. */
static struct one *new_one(struct dht_enemy *e)
{
    struct one *o;

    if (e->count == e->cap) {
        uint32_t cap = e->cap == 0 ? 64 : 2 * e->cap;
        struct one **more = realloc(e->each, cap * sizeof(struct one *));

        if (more == NULL)
            return NULL;
        e->each = more;
        e->cap = cap;
    }
    o = calloc(1, sizeof(*o));
    if (o != NULL)
        e->each[e->count++] = o;
    return o;
}

static void take_ids(struct dht_enemy *e, uint32_t number, uint32_t node,
                     struct dht_config *config)
{
    struct endpoint ep;

    for (int f = 0; f < FAMILIES; f++) {
        if (!sim_endpoint(e->lab->sim, node, (enum family)f, &ep))
            continue;
        crowd_id(e->lab->sim, e->lab->scenario, number, &ep, &config->id[f]);
        config->has_id[f] = true;
    }
}

/* They are the first of the population, and have come. */
static void bootstrap(const struct dht_enemy *e, uint32_t node)
{
    struct population *p = e->lab->population;

    for (uint32_t i = 0; i < THROUGH && i < population_count(p); i++) {
        const struct population_member *m = population_at(p, i);

        if (m->bootstrap && m->present)
            sim_dht_bootstrap(e->lab->sim, node, m->node);
    }
}

static enum error on_start(void *ctx, struct population_member *m)
{
    struct dht_enemy *e = ctx;
    const struct scenario *s = e->lab->scenario;
    struct dht_config config = s->engines[m->variant].dht;
    uint32_t number = e->count;
    struct one *o = new_one(e);
    enum error err;

    if (o == NULL)
        return ERR_NO_MEMORY;
    config.dialect = s->nodes.dialect;
    o->node = SIM_NODE_NONE;
    o->liar.ring = &e->ring;
    o->liar.way = way_of(e, number);
    o->liar.crowds = s->adversary.does[BEHAVE_CROWD];
    crowd_key(s, number, &o->liar.key);
    sim_rng_init(&o->liar.rng, s->run.seed, STREAM + 1 + number);
    if (o->liar.crowds)
        take_ids(e, number, m->node, &config);
    err = sim_dht_revive(e->lab->sim, m->node, &config);
    if (err != OK)
        return err;
    o->node = m->node;
    liar_stand(&o->liar, sim_dht_of(e->lab->sim, m->node));
    bootstrap(e, m->node);
    look_at(e, o);
    return e->error;
}

/* It is one of ours if the liar before its engine is. */
static void on_leaves(void *ctx, struct population_member *m, uint64_t now)
{
    struct dht_enemy *e = ctx;

    (void)now;
    for (uint32_t i = 0; m->hostile && i < e->count; i++) {
        struct one *o = e->each[i];

        if (o->node != m->node)
            continue;
        for (int f = 0; f < FAMILIES; f++)
            forget(e, o, f);
        o->node = SIM_NODE_NONE;
    }
}

/* ---- The part ------------------------------------------------------------ */

static void enemy_free(void *part)
{
    struct dht_enemy *e = part;

    for (uint32_t i = 0; i < e->count; i++)
        free(e->each[i]);
    free(e->each);
    liar_ring_deinit(&e->ring);
    free(e);
}

static enum error enemy_make(struct laboratory *lab, void **out)
{
    const struct scenario_adversary *s = &lab->scenario->adversary;
    struct population_listener listener = {.place_hostile = on_place,
                                           .start_hostile = on_start,
                                           .leaves = on_leaves};
    struct dht_enemy *e;
    enum error err;

    *out = NULL;
    if (s->share <= 0 && s->count == 0)
        return OK;
    e = calloc(1, sizeof(*e));
    if (e == NULL)
        return ERR_NO_MEMORY;
    e->lab = lab;
    e->ways[LIAR_DROP] = s->does[BEHAVE_DROP];
    e->ways[LIAR_COLLUDE] = s->does[BEHAVE_COLLUDE];
    e->ways[LIAR_MADE_UP] = s->does[BEHAVE_MADE_UP];
    sim_rng_init(&e->rng, lab->scenario->run.seed, STREAM);
    err = liar_ring_init(&e->ring, lab->sim,
                         s->count +
                             (size_t)(s->share * lab->scenario->nodes.count));
    if (err == OK && e->ways[LIAR_MADE_UP])
        err = liar_ring_make_up(&e->ring, &e->rng);
    if (err != OK) {
        enemy_free(e);
        return err;
    }
    e->ring.lies = part_enemy_begins(lab) == 0;
    listener.ctx = e;
    population_listen(lab->population, &listener);
    *out = e;
    return OK;
}

static enum error enemy_harvest(void *part, uint64_t now)
{
    struct dht_enemy *e = part;
    uint32_t n = (e->count + REFRESH - 1) / REFRESH;

    e->ring.lies = now >= part_enemy_begins(e->lab);
    for (; n > 0; n--) {
        look_at(e, e->each[e->hand]);
        e->hand = e->hand + 1 < e->count ? e->hand + 1 : 0;
    }
    return e->error;
}

const struct part_kind dht_enemy = {
    .name = "dht_enemy",
    .make = enemy_make,
    .harvest = enemy_harvest,
    .free = enemy_free,
};
