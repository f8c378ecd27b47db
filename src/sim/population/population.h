/* SPDX-License-Identifier: MIT
 *
 * Who is in the network: members that arrive, are present for a session, are
 * away and come back or are replaced, as the scenario's [nodes] says. What
 * kind of node each is is drawn when it is first made; who wants to know of
 * comings and goings listens.
 *
 * There are [nodes] count seats, and more for who the adversary has besides. A
 * seat has a role, belongs to the adversary or not, and is taken by one member
 * after the other: by the same one (same_id), or by a newcomer each time. Of
 * each role exactly the asked share is hostile. The bootstrap nodes and the
 * adversary's stay: it has no reason to leave.
 *
 * Who comes back with same_id has its ids, address and some nodes of its table,
 * as a daemon has from its store. Nobody comes back whose `offline` is forever.
 *
 * With a trace, its nodes 0, 1, ... are the seats behind the bootstrap nodes,
 * and sessions and arrivals are what it says; there is room for
 * count - bootstraps of them, and those that it does not name never come.
 *
 * Newcomers get new addresses, but when the network has had as many nodes as it
 * can have, the ones of those whom they replace.
 *
 * Comings and goings happen in steps of POPULATION_STEP, between two windows of
 * the simulated network (sim_at), never inside of an engine.
 */
#ifndef WARREN_SIM_POPULATION_POPULATION_H
#define WARREN_SIM_POPULATION_POPULATION_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/timestamp.h"
#include "sim/path/nat.h"
#include "sim/path/path.h"
#include "sim/scenario/scenario.h"
#include "sim/sim.h"

#include <stdbool.h>
#include <stdint.h>

/* Each is the end of a window for all nodes, so there should not be many. */
#define POPULATION_STEP (50 * TIME_MS)

enum population_role {
    POPULATION_PLAIN, /* of the DHT alone */
    POPULATION_RELAY, /* roles of the tunnel community follow */
    POPULATION_EXIT,  /* a relay, too */
    POPULATION_CLIENT,
    POPULATION_SERVICE,  /* serves a key */
    POPULATION_ASSOCIATE /* one of the members of a string */
};

struct population_member {
    uint32_t index; /* its place in the population */
    uint32_t node;  /* of the simulated network */
    enum population_role role;
    bool present;
    bool bootstrap; /* stays for ever and is known to all */
    bool hostile;   /* its engines are the adversary's */
    bool read_only;
    enum nat_kind nat;   /* what it is behind */
    bool variant;        /* has engines[1] of the scenario */
    bool both;           /* in the other dialect's DHT too */
    bool old;            /* it has the scenario's habits */
    int64_t clock_error; /* seconds */
    uint64_t came;       /* when its session began */
    uint32_t session;    /* how often it has come, from 1 */
};

/* Each member may be NULL. */
struct population_listener {
    void *ctx;
    /* Its engines run and have been told of the bootstrap nodes. */
    void (*came)(void *ctx, struct population_member *m, uint64_t now);
    /* Before its engines are freed. */
    void (*leaves)(void *ctx, struct population_member *m, uint64_t now);
    /* The engine of a hostile member without a role, instead of an honest one:
     * attaches it to m->node. Of one listener only. */
    enum error (*start_hostile)(void *ctx, struct population_member *m);
    /* Where the next hostile member without a role is to be, when [adversary]
     * has networks; `again` counts how often somebody was there already. False:
     * at an address by order. Of one listener only. */
    bool (*place_hostile)(void *ctx, unsigned again, struct endpoint *out);
    /* The tunnel engine of a member with a role, hostile or not, beside its
     * honest DHT engine. Of one listener only. */
    enum error (*start_tunnel)(void *ctx, struct population_member *m);
};

/* [network] for sim_new: links, seed, threads and a path, which is to outlive
 * the network; the rest of `config` stays. `begins` is the end of the warm-up,
 * from which partitions count. ERR_NO_MEMORY; of a file ERR_IO, ERR_TOO_LARGE,
 * ERR_SYNTAX: `why` says which and what. */
enum error population_network(const struct scenario *scenario, uint64_t begins,
                              struct sim_config *config, struct path **out,
                              struct text *why);

struct population;

/* `scenario` is kept, not copied. ERR_NO_MEMORY; ERR_RANGE when there are more
 * roles than nodes; of a trace that cannot be read ERR_IO or ERR_SYNTAX. `why`
 * says what is wrong, and with which line. The network is not to run on after
 * population_free. */
enum error population_new(const struct scenario *scenario, struct sim *sim,
                          struct population **out, struct text *why);
void population_free(struct population *p);

#define POPULATION_LISTENERS_MAX 8
/* Before population_begin; copied. */
void population_listen(struct population *p,
                       const struct population_listener *l);

/* The bootstrap nodes are there, and the first arrivals begin; sessions end and
 * begin by themselves from then on while the network runs. */
enum error population_begin(struct population *p);
/* The first failure of an arrival since then; the run is to end. */
enum error population_error(const struct population *p);

/* All that ever were; those of a network whose nodes are replaced get more. */
uint32_t population_count(const struct population *p);
struct population_member *population_at(struct population *p, uint32_t index);
/* NULL: none has that node. */
struct population_member *population_of_node(struct population *p,
                                             uint32_t node);
uint32_t population_present(const struct population *p);
/* One that is still in the session that it was in; NULL: it has left since. */
static inline struct population_member *
population_still(struct population *p, uint32_t index, uint32_t session)
{
    struct population_member *m = population_at(p, index);

    return m->present && m->session == session ? m : NULL;
}
/* One by chance of those present, honest and no bootstrap nodes; NULL: none. */
struct population_member *population_any(struct population *p,
                                         struct sim_rng *r);

#endif
