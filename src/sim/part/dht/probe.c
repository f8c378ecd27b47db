/* SPDX-License-Identifier: MIT
 *
 * How the network is: how many are there, what is sent, what upkeep costs, what
 * is in the tables, and how soon newcomers are in it.
 *
 * Upkeep and tables are looked at in some hundred nodes (PANEL). Upkeep is
 * counted where datagrams leave, by what they are for (sim_upkeep), so that it
 * is the same with and without work. Whoever leaves has its place taken by the
 * next who comes: so the panel pays as often for joining as all do.
 */
#include "sim/dht_node.h"
#include "sim/part/part.h"

#include <stdlib.h>

#define STREAM   UINT64_C(0x70616e656c) /* "panel" */
#define PANEL    256
#define JOIN_MAX (10 * TIME_MIN) /* who has not joined by then has failed */

struct seat {
    bool taken;
    uint32_t member, session;
    uint64_t since; /* from when on its upkeep counts */
    struct sim_upkeep upkeep;
};

struct newcomer {
    uint32_t member, session;
};

struct dht_probe {
    struct laboratory *lab;
    struct sim_rng rng;
    uint32_t present;
    uint64_t node_time; /* since the last sample, ms of all nodes together */
    uint64_t at;        /* of the last harvest */
    struct sim_stats before;
    struct seat seats[PANEL];
    struct sim_upkeep upkeep; /* of those who have left a seat */
    uint64_t upkeep_time;     /* likewise, since the last sample */
    size_t newcomer_count, newcomer_cap;
    struct newcomer *newcomers; /* owned; who have not joined yet */
    enum error error;
};

/* ---- The panel ----------------------------------------------------------- */

static void sit_down(struct dht_probe *p, struct seat *s,
                     const struct population_member *m, uint64_t now)
{
    struct sim_dht *n = sim_dht_of(p->lab->sim, m->node);

    if (n == NULL || n->upkeep != NULL)
        return;
    *s = (struct seat){true, m->index, m->session, now, {0, 0}};
    n->upkeep = &s->upkeep;
}

/* What it has sent so far counts, and it begins anew. */
static void settle(struct dht_probe *p, struct seat *s, uint64_t now)
{
    p->upkeep.datagrams += s->upkeep.datagrams;
    p->upkeep.bytes += s->upkeep.bytes;
    p->upkeep_time += time_since(s->since, now);
    s->upkeep = (struct sim_upkeep){0, 0};
    s->since = now;
}

static struct seat *seat_of(struct dht_probe *p,
                            const struct population_member *m)
{
    for (unsigned i = 0; i < PANEL; i++)
        if (p->seats[i].taken && p->seats[i].member == m->index)
            return &p->seats[i];
    return NULL;
}

/* By chance those who are there; where they are few, not all seats are taken,
 * since a node sits in one. */
static void fill_seats(struct dht_probe *p, uint64_t now)
{
    for (unsigned i = 0; i < PANEL; i++) {
        const struct population_member *m =
            p->seats[i].taken ? NULL
                              : population_any(p->lab->population, &p->rng);

        if (m != NULL)
            sit_down(p, &p->seats[i], m, now);
    }
}

/* A seat that was left, and is none that never was taken: else newcomers are
 * seen more than others. */
static struct seat *left_seat(struct dht_probe *p)
{
    for (unsigned i = 0; i < PANEL; i++)
        if (!p->seats[i].taken && p->seats[i].session != 0)
            return &p->seats[i];
    return NULL;
}

/* ---- Newcomers ----------------------------------------------------------- */

static enum error add_newcomer(struct dht_probe *p,
                               const struct population_member *m)
{
    if (p->newcomer_count == p->newcomer_cap) {
        size_t cap = p->newcomer_cap == 0 ? 64 : 2 * p->newcomer_cap;
        struct newcomer *more = realloc(p->newcomers, cap * sizeof(*more));

        if (more == NULL)
            return ERR_NO_MEMORY;
        p->newcomers = more;
        p->newcomer_cap = cap;
    }
    p->newcomers[p->newcomer_count++] = (struct newcomer){m->index, m->session};
    return OK;
}

/* True: there is nothing more to wait for. */
static bool has_joined(const struct dht_probe *p, const struct newcomer *c,
                       uint64_t now)
{
    const struct population_member *m =
        population_still(p->lab->population, c->member, c->session);
    const struct sim_dht *n = m == NULL ? NULL
                                        : sim_dht_of(p->lab->sim, m->node);

    if (n == NULL)
        return true;
    if (n->joined_at == TIME_NEVER)
        return time_since(n->started_at, now) > JOIN_MAX;
    measure_value(p->lab->measures, M_JOIN_TIME, n->joined_at - n->started_at);
    return true;
}

static void look_at_newcomers(struct dht_probe *p, uint64_t now)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->newcomer_count; i++)
        if (!has_joined(p, &p->newcomers[i], now))
            p->newcomers[kept++] = p->newcomers[i];
    p->newcomer_count = kept;
}

/* ---- The population ------------------------------------------------------ */

static void on_came(void *ctx, struct population_member *m, uint64_t now)
{
    struct dht_probe *p = ctx;
    struct seat *seat;
    enum error err;

    if (m->hostile || m->bootstrap)
        return;
    err = add_newcomer(p, m);
    if (p->error == OK)
        p->error = err;
    seat = left_seat(p);
    if (seat != NULL)
        sit_down(p, seat, m, now);
}

static void on_leaves(void *ctx, struct population_member *m, uint64_t now)
{
    struct dht_probe *p = ctx;
    struct seat *seat = m->hostile || m->bootstrap ? NULL : seat_of(p, m);

    if (seat == NULL)
        return;
    settle(p, seat, now);
    seat->taken = false;
}

/* ---- Samples ------------------------------------------------------------- */

/* Millionths a node and second; `ms` is the nodes' time together. */
static uint64_t rate(uint64_t amount, uint64_t ms)
{
    return ms == 0 ? 0 : (uint64_t)((double)amount * 1e9 / (double)ms);
}

static void sample_network(struct dht_probe *p)
{
    struct measures *m = p->lab->measures;
    struct sim_stats s;
    uint64_t sent, bytes, lost = 0;

    sim_stats(p->lab->sim, &s);
    for (int f = 0; f < SIM_FATES; f++)
        if (f == SIM_LOST || f == SIM_CUT || f == SIM_OVERFLOW)
            lost += s.fate[f] - p->before.fate[f];
    sent = s.offered - p->before.offered;
    bytes = s.offered_bytes - p->before.offered_bytes;
    measure_level(m, M_NODES, population_present(p->lab->population));
    measure_count(m, M_DATAGRAMS, sent);
    measure_count(m, M_BYTES, bytes);
    measure_count(m, M_LOST, lost);
    measure_level(m, M_NODE_DATAGRAMS, rate(sent, p->node_time));
    measure_level(m, M_NODE_BYTES, rate(bytes, p->node_time));
    p->before = s;
    p->node_time = 0;
}

struct table_look {
    const struct laboratory *lab;
    uint64_t entries, stale;
};

/* What is behind a NAT may be known by another port than its own. */
static uint32_t whose(const struct sim *sim, const struct endpoint *ep)
{
    struct endpoint own = *ep;
    uint32_t node = sim_node_at(sim, ep);

    own.port = SIM_PORT;
    return node != SIM_NODE_NONE ? node : sim_node_at(sim, &own);
}

static void look_at_entry(void *ctx, const struct dht_node_info *info)
{
    struct table_look *look = ctx;
    uint32_t node = whose(look->lab->sim, &info->ep);
    const struct population_member *m =
        node == SIM_NODE_NONE ? NULL
                              : population_of_node(look->lab->population, node);
    const struct sim_dht *n =
        m == NULL || !m->present ? NULL : sim_dht_of(look->lab->sim, node);

    look->entries++;
    look->stale += n == NULL || !id_equal(&n->id[info->ep.family], &info->id);
}

static void sample_tables(struct dht_probe *p, uint64_t now)
{
    struct table_look look = {.lab = p->lab};
    unsigned tables = 0;

    for (unsigned i = 0; i < PANEL; i++) {
        const struct seat *s = &p->seats[i];
        const struct population_member *m =
            s->taken
                ? population_still(p->lab->population, s->member, s->session)
                : NULL;
        const struct sim_dht *n = m == NULL ? NULL
                                            : sim_dht_of(p->lab->sim, m->node);

        if (n == NULL)
            continue;
        tables++;
        dht_nodes(n->dht, now, look_at_entry, &look);
    }
    if (tables == 0)
        return;
    measure_level(p->lab->measures, M_TABLE_NODES,
                  look.entries * 1000 / tables);
    measure_share(p->lab->measures, M_TABLE_STALE, look.stale, look.entries);
}

static void sample_upkeep(struct dht_probe *p, uint64_t now)
{
    for (unsigned i = 0; i < PANEL; i++)
        if (p->seats[i].taken)
            settle(p, &p->seats[i], now);
    if (p->upkeep_time > 0) {
        measure_level(p->lab->measures, M_UPKEEP_DATAGRAMS,
                      rate(p->upkeep.datagrams, p->upkeep_time / TIME_MS));
        measure_level(p->lab->measures, M_UPKEEP_BYTES,
                      rate(p->upkeep.bytes, p->upkeep_time / TIME_MS));
    }
    p->upkeep = (struct sim_upkeep){0, 0};
    p->upkeep_time = 0;
}

static void probe_sample(void *part, uint64_t now)
{
    struct dht_probe *p = part;

    sample_network(p);
    sample_tables(p, now);
    sample_upkeep(p, now);
    fill_seats(p, now);
}

/* ---- The part ------------------------------------------------------------ */

static void probe_free(void *part)
{
    struct dht_probe *p = part;

    free(p->newcomers);
    free(p);
}

static enum error probe_make(struct laboratory *lab, void **out)
{
    struct dht_probe *p = calloc(1, sizeof(*p));
    struct population_listener listener = {
        .ctx = p, .came = on_came, .leaves = on_leaves};

    if (p == NULL)
        return ERR_NO_MEMORY;
    p->lab = lab;
    sim_rng_init(&p->rng, lab->scenario->run.seed, STREAM);
    population_listen(lab->population, &listener);
    *out = p;
    return OK;
}

/* Until measuring begins all of it begins anew. */
static void stand_by(struct dht_probe *p, uint64_t now)
{
    sim_stats(p->lab->sim, &p->before);
    p->node_time = 0;
    if (now + PART_HARVEST > p->lab->begins)
        fill_seats(p, now);
}

static enum error probe_harvest(void *part, uint64_t now)
{
    struct dht_probe *p = part;
    uint32_t there = population_present(p->lab->population);

    p->node_time +=
        (uint64_t)(p->present + there) * ((now - p->at) / TIME_MS) / 2;
    p->present = there;
    p->at = now;
    look_at_newcomers(p, now);
    if (now <= p->lab->begins)
        stand_by(p, now);
    return p->error;
}

const struct part_kind dht_probe = {
    .name = "dht_probe",
    .make = probe_make,
    .harvest = probe_harvest,
    .sample = probe_sample,
    .free = probe_free,
};
