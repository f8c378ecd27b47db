/* SPDX-License-Identifier: MIT
 *
 * The runs that a grid of values asks for: each value of each key with each of
 * the others, and each of these points under several seeds.
 *
 * Runs are numbered from 0: the last key changes fastest but for the seeds,
 * which stand beside each other.
 */
#ifndef WARREN_SIM_SCENARIO_SWEEP_H
#define WARREN_SIM_SCENARIO_SWEEP_H

#include "base/error.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define SWEEP_AXES_MAX   4
#define SWEEP_VALUES_MAX 64
#define SWEEP_NAME_SIZE  64
#define SWEEP_VALUE_SIZE 128
#define SWEEP_REPEAT_MAX 10000

struct sweep {
    unsigned axes;
    struct sweep_axis {
        char name[SWEEP_NAME_SIZE]; /* "network.loss" */
        unsigned count;
        char value[SWEEP_VALUES_MAX][SWEEP_VALUE_SIZE];
    } axis[SWEEP_AXES_MAX];
    unsigned repeat; /* seeds of each point; at least 1 */
};

void sweep_init(struct sweep *s);
/* "network.loss=0%,5%,20%". ERR_SYNTAX, ERR_FULL, ERR_IN_USE (the key is swept
 * already): `why` says what is wrong. Whether key and values are right shows
 * when a run of the sweep is read. */
enum error sweep_add(struct sweep *s, const char *text, struct text *why);

uint64_t sweep_points(const struct sweep *s);
uint64_t sweep_runs(const struct sweep *s);
/* The value of each key in a run. */
void sweep_values(const struct sweep *s, uint64_t run,
                  const char *value[SWEEP_AXES_MAX]);
/* Which repetition of its point it is, from 0: what to add to the seed. */
unsigned sweep_repetition(const struct sweep *s, uint64_t run);

#endif
