/* SPDX-License-Identifier: MIT
 *
 * Threads that wait to do one piece of work each at the same time, again and
 * again and within microseconds: they spin for a while before they sleep.
 */
#ifndef WARREN_SIM_CLOCKWORK_CREW_H
#define WARREN_SIM_CLOCKWORK_CREW_H

#include "base/error.h"

#include <stdint.h>

struct sim_crew;

/* `count` - 1 threads; the caller's is the first of the crew. Each piece is
 * done by work(ctx, number), 0 <= number < count. ERR_NO_MEMORY. */
enum error sim_crew_new(uint32_t count, void (*work)(void *ctx, uint32_t),
                        void *ctx, struct sim_crew **out);
/* Legal for NULL. */
void sim_crew_free(struct sim_crew *c);

/* Has all pieces done, and returns then. */
void sim_crew_work(struct sim_crew *c);

#endif
