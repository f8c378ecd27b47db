/* SPDX-License-Identifier: MIT
 *
 * Work for connections to services that ask for it (tunnel/record/work.h), done
 * by one thread beside the loop, of the lowest priority: half a millisecond a
 * try would keep everybody else waiting. Tasks wait for each other; each has a
 * budget of time, which begins when it is taken up.
 *
 * The thread begins with the first task, and shares with the loop nothing but
 * the tasks under a lock; an eventfd wakes the loop, which alone calls
 * `solved`.
 */
#ifndef WARREN_NODE_SERVICE_SOLVER_H
#define WARREN_NODE_SERVICE_SOLVER_H

#include "base/error.h"
#include "tunnel/record/work.h"

#include <stdbool.h>
#include <stdint.h>

#define SOLVER_TASKS 32

struct event_base;
struct solver;

/* As work_solve, which it is but in tests. Called in the thread. */
typedef enum error solver_try_fn(const struct work_task *task, uint64_t *nonce,
                                 unsigned tries, struct work_proof *out);
/* `found` false: the budget was not enough. May call solver_add. */
typedef void solver_solved_fn(void *arg, uint64_t id, bool found,
                              const struct work_proof *proof);

/* ERR_NO_MEMORY. */
enum error solver_new(struct event_base *base, solver_try_fn *attempt,
                      solver_solved_fn *solved, void *arg, struct solver **out);
/* Waits for the try that is under way; nobody is called. */
void solver_free(struct solver *s);

/* Once for each that was added `solved` is called, later. `budget` in ns.
 * ERR_FULL: SOLVER_TASKS wait; ERR_NO_MEMORY: no thread can be had. */
enum error solver_add(struct solver *s, uint64_t id,
                      const struct work_task *task, uint64_t budget);
/* Tasks that wait or are under way. */
unsigned solver_tasks(struct solver *s);

#endif
