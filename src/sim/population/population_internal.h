/* SPDX-License-Identifier: MIT
 *
 * The inside of struct population, shared by population.c (members, and who
 * looks at them) and life.c (who comes and goes).
 */
#ifndef WARREN_SIM_POPULATION_POPULATION_INTERNAL_H
#define WARREN_SIM_POPULATION_POPULATION_INTERNAL_H

#include "sim/population/agenda.h"
#include "sim/population/population.h"
#include "sim/population/seat.h"
#include "sim/population/stored.h"
#include "sim/population/trace.h"

#define MEMBER_BLOCK 4096
#define NOBODY       UINT32_MAX

struct inhabitant {
    struct population_member m; /* first */
    struct stored *stored;      /* while it is away; NULL: nothing */
    uint32_t seat;
    uint32_t candidate; /* place among the candidates; NOBODY */
};

struct population {
    const struct scenario *scenario;
    struct sim *sim;
    struct population_listener listeners[POPULATION_LISTENERS_MAX];
    size_t listener_count;
    struct sim_rng rng; /* times, and what is stored */
    struct seating seating;
    struct inhabitant **blocks; /* of MEMBER_BLOCK, which never move */
    size_t block_cap;
    uint32_t count;
    uint32_t *of_node; /* members, by their node; NOBODY */
    size_t node_cap;
    uint32_t *taken_by;   /* by seat: its last member; NOBODY */
    uint32_t *candidates; /* for population_any */
    uint32_t candidate_count;
    uint32_t present;
    uint32_t hostile; /* that were ever made */
    struct agenda agenda;
    uint32_t arrived;      /* seats whose first member has come */
    uint64_t next_arrival; /* TIME_NEVER: all have */
    struct trace trace;
    size_t traced;       /* events of it that have happened */
    uint64_t trace_base; /* its time 0 */
    uint64_t called_at;  /* the next sim_at; TIME_NEVER: none */
    enum error error;
};

static inline struct inhabitant *member_at(const struct population *p,
                                           uint32_t index)
{
    return &p->blocks[index / MEMBER_BLOCK][index % MEMBER_BLOCK];
}

/* population.c: a new member, of a new node, without engines. */
enum error population_make(struct population *p, uint32_t seat,
                           struct inhabitant **out);
void population_count_in(struct population *p, struct inhabitant *m);
void population_count_out(struct population *p, struct inhabitant *m);

/* life.c */
enum error population_come(struct population *p, struct inhabitant *m,
                           uint64_t now);
void population_leave(struct population *p, struct inhabitant *m, uint64_t now);

#endif
