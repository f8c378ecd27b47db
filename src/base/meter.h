/* SPDX-License-Identifier: MIT
 *
 * How much comes a second now: the sum of the last 5 seconds, in which the
 * share of the window before wanes as the present one fills. Costs a
 * comparison and an addition for each thing counted.
 */
#ifndef WARREN_BASE_METER_H
#define WARREN_BASE_METER_H

#include <stdint.h>

struct meter {
    uint64_t began; /* of the present window, ns */
    uint64_t count, before;
};

void meter_add(struct meter *m, uint64_t amount, uint64_t now);
/* How much comes in a second, at `now`. */
uint64_t meter_rate(const struct meter *m, uint64_t now);

#endif
