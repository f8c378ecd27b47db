/* SPDX-License-Identifier: MIT
 *
 * The seats of a population: which role each has, and which are the
 * adversary's. Pure arithmetic on the seat's number, so that seats cost
 * nothing; roles are spread over the seats, so that who arrives early is not of
 * another kind than who arrives late.
 */
#ifndef WARREN_SIM_POPULATION_SEAT_H
#define WARREN_SIM_POPULATION_SEAT_H

#include "base/error.h"
#include "base/text.h"
#include "sim/population/population.h"
#include "sim/scenario/scenario.h"

#include <stdbool.h>
#include <stdint.h>

struct seating {
    uint32_t bootstraps; /* the first seats */
    uint32_t regular;    /* [nodes] count, bootstraps and all */
    uint32_t seats;      /* in all */
    uint32_t step;       /* coprime to the number of those that are spread */
    uint32_t extra_relays;
    uint32_t of[POPULATION_ASSOCIATE + 1]; /* regular seats by role, without
                                              the bootstraps */
    double hostile;                        /* share of each */
};

struct seat {
    enum population_role role;
    bool bootstrap, hostile, extra;
};

/* ERR_RANGE: more roles than nodes, or more nodes than addresses. */
enum error seating_init(struct seating *s, const struct scenario *scenario,
                        struct text *why);

/* Whose first member is the n-th to come (from 0): bootstrap seats, then the
 * others in their order, with the adversary's own spread evenly among them. It
 * came last otherwise, when clients have all the relays that they want. */
uint32_t seating_arrival(const struct seating *s, uint32_t n);

/* `number` < s->seats. */
struct seat seating_at(const struct seating *s, uint32_t number);

#endif
