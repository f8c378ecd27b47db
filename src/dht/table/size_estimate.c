/* SPDX-License-Identifier: MIT
 *
 * The line through the origin that fits ranks and distances best (least
 * squares); its slope is the inverse of the number of nodes. A moving average
 * over lookups.
 */
#include "dht/table/size_estimate.h"
#include "dht/types/dht_request.h"

#include <assert.h>

/* Weight of a new lookup once there were a few. */
#define SMOOTHING 16

void size_estimate_init(struct size_estimate *e)
{
    *e = (struct size_estimate){0};
}

/* As a part of the id space, 0..1. A double has 53 bits: eight bytes do. */
static double distance(const struct id *a, const struct id *b)
{
    double value = 0, unit = 1.0 / 256;

    for (int i = 0; i < 8; i++, unit /= 256)
        value += (double)(a->b[i] ^ b->b[i]) * unit;
    return value;
}

/* Least squares through the origin: sum(i * d_i) / sum(i * i). */
static double fit(const struct id *target, const struct id *closest,
                  size_t count)
{
    double sum_xy = 0, sum_xx = 0;

    for (size_t i = 0; i < count; i++) {
        double rank = (double)(i + 1);

        sum_xy += rank * distance(target, &closest[i]);
        sum_xx += rank * rank;
    }
    return sum_xy / sum_xx;
}

void size_estimate_add(struct size_estimate *e, const struct id *target,
                       const struct id *closest, size_t count)
{
    double slope;

    assert(count <= DHT_K);
    if (count == 0)
        return;
    /* Who finds fewer than it looked for has seen them all. */
    slope = count < DHT_K ? 1.0 / (double)(count + 1)
                          : fit(target, closest, count);
    if (e->lookups < SMOOTHING)
        e->lookups++;
    e->slope += (slope - e->slope) / e->lookups;
}

double size_estimate_get(const struct size_estimate *e)
{
    double nodes;

    if (e->lookups == 0 || e->slope <= 0)
        return 0;
    nodes = 1 / e->slope - 1;
    return nodes < 1 ? 1 : nodes;
}
