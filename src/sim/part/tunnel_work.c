/* SPDX-License-Identifier: MIT
 *
 * Members of the tunnel community and what they do: who has a role gets an
 * engine and, unless it only relays, a record (tunnel_room.h). Clients keep
 * circuits and send datagrams (tunnel_circuits.c) and connect to services
 * (tunnel_connects.c); services and members of strings are in
 * tunnel_services.c, how much clients know of the network in tunnel_view.c.
 */
#include "sim/part/tunnel_room.h"

#include <stdlib.h>

#define STREAM 0x74756e6e656c /* of the scenario's seed */

/* ---- Records ------------------------------------------------------------- */

static bool relays(enum population_role role)
{
    return role == POPULATION_RELAY || role == POPULATION_EXIT;
}

static enum error make_room(struct tunnel_work *w)
{
    uint32_t cap = w->cap == 0 ? 64 : 2 * w->cap;
    struct tunnel_record **records;

    if (w->count < w->cap)
        return OK;
    records = realloc(w->records, cap * sizeof(struct tunnel_record *));
    if (records == NULL)
        return ERR_NO_MEMORY;
    w->records = records;
    w->cap = cap;
    return OK;
}

static enum error begin(struct tunnel_record *r)
{
    enum error e = OK;

    if (r->role == POPULATION_CLIENT) {
        e = tunnel_circuits_begin(r);
        tunnel_connects_begin(r);
    } else if (r->role == POPULATION_SERVICE) {
        e = tunnel_service_begin(r);
    } else if (r->role == POPULATION_ASSOCIATE) {
        e = tunnel_associate_begin(r);
    }
    sim_wake(r->work->lab->sim, r->node);
    return e;
}

static void forget(struct tunnel_record *r)
{
    struct tunnel_work *w = r->work;

    tunnel_circuits_end(r);
    tunnel_seat_end(r);
    w->records[r->place] = w->records[--w->count];
    w->records[r->place]->place = r->place;
    free(r);
}

static void end(struct tunnel_record *r)
{
    r->n->above = (struct sim_above){0};
    r->n->on_service = NULL;
    r->n->rows = NULL;
    forget(r);
}

static enum error add(struct tunnel_work *w, const struct population_member *m)
{
    struct tunnel_record *r = calloc(1, sizeof(*r));
    enum error e = r == NULL ? ERR_NO_MEMORY : make_room(w);

    if (e != OK) {
        free(r);
        return e;
    }
    r->work = w;
    r->n = sim_tunnel_of(w->lab->sim, m->node);
    r->role = m->role;
    r->node = m->node;
    r->member = m->index;
    r->hostile = m->hostile;
    r->came = sim_now(w->lab->sim);
    r->place = w->count;
    r->seat = UINT32_MAX;
    r->n->above.arg = r;
    w->records[w->count++] = r;
    e = begin(r);
    if (e != OK)
        end(r);
    return e;
}

/* ---- The population ------------------------------------------------------ */

static struct member_config config_of(const struct tunnel_work *w,
                                      const struct population_member *m)
{
    struct member_config c = w->lab->scenario->engines[m->variant].tunnel;

    c.become_exitnode = m->role == POPULATION_EXIT;
    if (!relays(m->role))
        c.max_relays_or_exits = 0;
    return c;
}

/* A hostile client does nothing: its circuits harm nobody. */
static enum error start(void *ctx, struct population_member *m)
{
    struct tunnel_work *w = ctx;
    struct member_config c = config_of(w, m);
    enum error e = sim_tunnel_add(w->lab->sim, m->node, &c, m->clock_error);

    if (e != OK)
        return e;
    sim_wake(w->lab->sim, m->node);
    w->relays += relays(m->role);
    if (relays(m->role) || (m->hostile && m->role == POPULATION_CLIENT))
        return OK;
    return add(w, m);
}

static void leaves(void *ctx, struct population_member *m, uint64_t now)
{
    struct tunnel_work *w = ctx;
    struct sim_tunnel *n = sim_tunnel_of(w->lab->sim, m->node);
    struct tunnel_record *r;

    if (n == NULL)
        return;
    w->relays -= relays(m->role);
    if (relays(m->role) || n->above.arg == NULL)
        return;
    r = n->above.arg;
    if (r->circuits != NULL)
        tunnel_circuits_harvest(r, now);
    end(r);
}

/* ---- The part ------------------------------------------------------------ */

static bool has_work(const struct scenario *s)
{
    return s->tunnels.relays + s->tunnels.exits + s->tunnels.clients +
               s->services.keys + s->services.strings + s->adversary.relays >
           0;
}

/* The engines may be gone: they are not touched. */
static void release(void *part)
{
    struct tunnel_work *w = part;

    while (w->count > 0)
        forget(w->records[w->count - 1]);
    free(w->records);
    tunnel_seats_deinit(&w->services);
    tunnel_seats_deinit(&w->associates);
    free(w);
}

static enum error make(struct laboratory *lab, void **out)
{
    const struct scenario_services *s = &lab->scenario->services;
    struct tunnel_work *w;
    enum error e;

    *out = NULL;
    if (!has_work(lab->scenario))
        return OK;
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return ERR_NO_MEMORY;
    w->lab = lab;
    sim_rng_init(&w->rng, lab->scenario->run.seed, STREAM);
    e = tunnel_seats_init(&w->services, s->keys);
    if (e == OK)
        e = tunnel_seats_init(&w->associates, s->strings * s->members);
    if (e != OK) {
        release(w);
        return e;
    }
    population_listen(lab->population,
                      &(struct population_listener){
                          .ctx = w, .leaves = leaves, .start_tunnel = start});
    *out = w;
    return OK;
}

static enum error harvest(void *part, uint64_t now)
{
    struct tunnel_work *w = part;

    for (uint32_t i = 0; i < w->count; i++) {
        struct tunnel_record *r = w->records[i];

        if (r->circuits != NULL) {
            tunnel_circuits_harvest(r, now);
            tunnel_connects_harvest(r, now);
        }
        if (r->met != NULL)
            tunnel_associate_harvest(r, now);
    }
    return OK;
}

static void sample(void *part, uint64_t now)
{
    tunnel_view_sample(part, now);
}

const struct part_kind tunnel_work = {.name = "tunnels",
                                      .make = make,
                                      .harvest = harvest,
                                      .sample = sample,
                                      .free = release};
