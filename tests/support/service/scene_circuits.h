/* SPDX-License-Identifier: MIT
 *
 * What a scene has no use for in circuits, and services ask for.
 */
#ifndef WARREN_TESTS_SCENE_CIRCUITS_H
#define WARREN_TESTS_SCENE_CIRCUITS_H

#include "tunnel/circuit/circuit.h"

enum error circuit_ping(struct circuits *cs, struct circuit *c, unsigned hop,
                        uint64_t now)
{
    (void)cs, (void)c, (void)hop, (void)now;
    return OK;
}

const struct lost_relays *circuits_lost(const struct circuits *cs)
{
    static const struct lost_relays none;

    (void)cs;
    return &none;
}

#endif
