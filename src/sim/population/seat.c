/* SPDX-License-Identifier: MIT
 *
 * Behind the bootstrap nodes, regular seats are numbered through by a step that
 * is coprime to their number, near the golden section of it (Knuth, The Art of
 * Computer Programming 3, 6.4), and by that number roles follow one another.
 * The adversary's own seats come last.
 */
#include "sim/population/seat.h"

#include <inttypes.h>

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static uint32_t step_for(uint32_t n)
{
    uint32_t step = (uint32_t)((uint64_t)n * 618 / 1000);

    if (step == 0)
        return 1;
    while (common_divisor(step, n) != 1)
        step++;
    return step;
}

enum error seating_init(struct seating *s, const struct scenario *scenario,
                        struct text *why)
{
    const struct scenario_tunnels *t = &scenario->tunnels;
    const struct scenario_services *v = &scenario->services;
    uint32_t bootstraps = scenario_bootstraps(scenario);
    uint32_t room = scenario->nodes.count - bootstraps;
    uint64_t roles = (uint64_t)t->relays + t->exits + t->clients + v->keys +
                     (uint64_t)v->strings * v->members;
    uint64_t seats = (uint64_t)scenario->nodes.count +
                     scenario->adversary.count + scenario->adversary.relays;

    if (roles > room) {
        text_addf(why,
                  "[tunnels] and [services] want %" PRIu64
                  " nodes, but beside the bootstrap nodes there are %" PRIu32,
                  roles, room);
        return ERR_RANGE;
    }
    if (seats > SIM_NODES_MAX) {
        text_addf(why, "%" PRIu64 " nodes are more than a network has (%u)",
                  seats, SIM_NODES_MAX);
        return ERR_RANGE;
    }
    *s = (struct seating){
        .bootstraps = bootstraps,
        .regular = scenario->nodes.count,
        .seats = (uint32_t)seats,
        .step = step_for(room),
        .extra_relays = scenario->adversary.relays,
        .of = {[POPULATION_PLAIN] = (uint32_t)(room - roles),
               [POPULATION_RELAY] = t->relays,
               [POPULATION_EXIT] = t->exits,
               [POPULATION_CLIENT] = t->clients,
               [POPULATION_SERVICE] = v->keys,
               [POPULATION_ASSOCIATE] = v->strings * v->members},
        .hostile = scenario->adversary.share,
    };
    return OK;
}

uint32_t seating_arrival(const struct seating *s, uint32_t n)
{
    uint64_t extra = s->seats - s->regular, all = s->seats - s->bootstraps;
    uint64_t i = (uint64_t)n - s->bootstraps, before;

    if (n < s->bootstraps || extra == 0)
        return n;
    before = i * extra / all; /* of the extra seats */
    if ((i + 1) * extra / all > before)
        return s->regular + (uint32_t)before;
    return n - (uint32_t)before;
}

/* Whether the i-th is one of the share that is spread evenly. */
static bool is_of_share(uint32_t i, double share)
{
    return (uint64_t)((i + 1.0) * share) > (uint64_t)(i * share);
}

struct seat seating_at(const struct seating *s, uint32_t number)
{
    struct seat seat = {.bootstrap = number < s->bootstraps,
                        .extra = number >= s->regular};
    uint32_t room = s->regular - s->bootstraps, rank, role;

    if (seat.bootstrap)
        return seat;
    if (seat.extra) {
        seat.hostile = true;
        if (number - s->regular < s->extra_relays)
            seat.role = POPULATION_RELAY;
        return seat;
    }
    rank = (uint32_t)((uint64_t)(number - s->bootstraps) * s->step % room);
    for (role = POPULATION_PLAIN; rank >= s->of[role]; role++)
        rank -= s->of[role];
    seat.role = (enum population_role)role;
    seat.hostile = is_of_share(rank, s->hostile);
    return seat;
}
