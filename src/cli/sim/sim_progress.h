/* SPDX-License-Identifier: MIT
 *
 * How far a run is, in one line on stderr that is written anew some times a
 * second, where that is a terminal; nothing elsewhere.
 */
#ifndef WARREN_CLI_SIM_SIM_PROGRESS_H
#define WARREN_CLI_SIM_SIM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct sim_progress {
    bool shown;         /* stderr is a terminal */
    bool line;          /* there is one to be cleared */
    uint64_t began;     /* of all runs, real ns */
    uint64_t last;      /* when it was last written */
    uint64_t run, runs; /* the one under way, from 1 */
};

void sim_progress_init(struct sim_progress *p, uint64_t runs);
/* `virtual` of `all` ns of this run are over. */
void sim_progress_tell(struct sim_progress *p, uint64_t virtual, uint64_t all,
                       uint32_t nodes, uint64_t datagrams);
void sim_progress_clear(struct sim_progress *p);

#endif
