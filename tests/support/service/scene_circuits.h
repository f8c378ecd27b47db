/* SPDX-License-Identifier: MIT
 *
 * What a scene has no use for in circuits and stems, and services ask for.
 */
#ifndef WARREN_TESTS_SCENE_CIRCUITS_H
#define WARREN_TESTS_SCENE_CIRCUITS_H

#include "tunnel/circuit/circuit.h"
#include "tunnel/stem/stem.h"

enum error circuit_ping(struct circuits *cs, struct circuit *c, unsigned hop,
                        uint64_t now)
{
    (void)cs, (void)c, (void)hop, (void)now;
    return OK;
}

struct lost_relays *circuits_lost(struct circuits *cs)
{
    static struct lost_relays none;

    (void)cs;
    return &none;
}

void stems_tick(struct stems *s, uint64_t wall, uint64_t now)
{
    (void)s, (void)wall, (void)now;
}

uint64_t stems_next_deadline(const struct stems *s)
{
    (void)s;
    return TIME_NEVER;
}

#endif
