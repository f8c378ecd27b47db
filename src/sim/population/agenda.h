/* SPDX-License-Identifier: MIT
 *
 * Which seat has something to do when: a binary heap by time, then seat.
 */
#ifndef WARREN_SIM_POPULATION_AGENDA_H
#define WARREN_SIM_POPULATION_AGENDA_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct agenda_entry {
    uint64_t at;
    uint32_t seat;
};

/* Zeroed: empty. */
struct agenda {
    struct agenda_entry *entries;
    size_t count, cap;
};

void agenda_deinit(struct agenda *a);
/* ERR_NO_MEMORY. */
enum error agenda_add(struct agenda *a, uint64_t at, uint32_t seat);
/* When the first is; TIME_NEVER: there is none. */
uint64_t agenda_next(const struct agenda *a);
/* Takes the first one off, which must be there. */
struct agenda_entry agenda_take(struct agenda *a);

#endif
