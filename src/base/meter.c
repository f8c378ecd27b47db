/* SPDX-License-Identifier: MIT
 */
#include "base/meter.h"
#include "base/timestamp.h"

#define WINDOW_S 5
#define WINDOW   (WINDOW_S * TIME_S)

/* The window that `now` is in; the one before is empty after a pause. */
static struct meter at(const struct meter *m, uint64_t now)
{
    uint64_t age = time_since(m->began, now);

    if (age < WINDOW)
        return *m;
    return (struct meter){.began = now - age % WINDOW,
                          .before = age < 2 * WINDOW ? m->count : 0};
}

void meter_add(struct meter *m, uint64_t amount, uint64_t now)
{
    if (time_since(m->began, now) >= WINDOW)
        *m = at(m, now);
    m->count += amount;
}

uint64_t meter_rate(const struct meter *m, uint64_t now)
{
    struct meter present = at(m, now);
    double left = 1 - (double)time_since(present.began, now) / (double)WINDOW;

    return (uint64_t)((double)present.before * left + (double)present.count) /
           WINDOW_S;
}
