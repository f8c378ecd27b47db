/* SPDX-License-Identifier: MIT
 *
 * Services of others that this node reaches: by how many they are held, and
 * since when by nobody.
 */
#ifndef WARREN_NODE_SERVICE_REACHED_H
#define WARREN_NODE_SERVICE_REACHED_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct reached {
    uint32_t id; /* the engine's number */
    unsigned holds;
    uint64_t idle_since; /* with no holds */
};

/* All zeros: empty. */
struct reached_list {
    struct reached *list;
    unsigned count, room;
};

void reached_deinit(struct reached_list *l);

/* One more holds it. ERR_NO_MEMORY; ERR_FULL. */
enum error reached_hold(struct reached_list *l, uint32_t id);
/* One less; of one that is not there nothing happens. */
void reached_release(struct reached_list *l, uint32_t id, uint64_t now);

/* Takes out the one that nobody holds for longest, if that is since `before`
 * or earlier; false: there is none. */
bool reached_take_idle(struct reached_list *l, uint64_t before, uint32_t *id);

#endif
