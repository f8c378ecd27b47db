/* SPDX-License-Identifier: MIT
 *
 * Addresses lead to members of the population. An identity is compared with
 * that of the engine which runs there now: who came back has another.
 */
#include "sim/part/tunnel_truth.h"

#include "sim/tunnel_node.h"

#include <string.h>

uint64_t truth_enemy_begins(const struct laboratory *lab)
{
    const struct scenario_adversary *a = &lab->scenario->adversary;
    bool any = a->share > 0 || a->count > 0 || a->relays > 0;

    if (!any)
        return TIME_NEVER;
    return part_enemy_begins(lab);
}

bool truth_enemy_is_there(const struct laboratory *lab, uint64_t now)
{
    return now >= truth_enemy_begins(lab);
}

struct population_member *truth_at(const struct laboratory *lab,
                                   const struct endpoint *ep)
{
    uint32_t node = sim_node_at(lab->sim, ep);

    return node == SIM_NODE_NONE ? NULL
                                 : population_of_node(lab->population, node);
}

bool truth_is_hostile(const struct laboratory *lab, const struct endpoint *ep,
                      uint64_t now)
{
    const struct population_member *m;

    if (!truth_enemy_is_there(lab, now))
        return false;
    m = truth_at(lab, ep);
    return m != NULL && m->hostile;
}

struct population_member *truth_relay(const struct laboratory *lab,
                                      const struct known_relay *known)
{
    struct population_member *m = truth_at(lab, &known->d.addresses[0]);
    const struct sim_tunnel *n;

    if (m == NULL || !m->present || m->role == POPULATION_PLAIN)
        return NULL;
    n = sim_tunnel_of(lab->sim, m->node);
    if (n == NULL || memcmp(known->d.identity, sim_tunnel_identity(n), 32) != 0)
        return NULL;
    return m;
}

unsigned truth_hostile_hops(const struct laboratory *lab,
                            const struct circuit *c, uint64_t now)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < c->built && i < c->length; i++)
        if (truth_is_hostile(lab, &c->hop[i].target.ep, now))
            bits |= 1U << i;
    return bits;
}
