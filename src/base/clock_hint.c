/* SPDX-License-Identifier: MIT
 *
 * The witnesses are a ring in which each relay has one place, its last word.
 * Each bounds the time from below, by when its descriptor was issued and how
 * long ago we heard it, and from above by CLOCK_HINT_AGE more. A third may
 * lie about the future: of the lower bounds the highest third is left out. Of
 * the upper ones, which are said by all whose own clock is behind, the lower
 * half is.
 */
#include "base/clock_hint.h"

#include "base/timestamp.h"

#include <stdlib.h>
#include <string.h>

void clock_hint_add(struct clock_hint *h, const uint8_t identity[32],
                    uint64_t issued, uint64_t now)
{
    unsigned i = 0;

    while (i < h->count && memcmp(h->at[i].identity, identity, 32) != 0)
        i++;
    if (i == h->count && h->count == CLOCK_HINT_WITNESSES) {
        i = h->next;
        h->next = (h->next + 1) % CLOCK_HINT_WITNESSES;
    } else if (i == h->count) {
        h->count++;
    }
    memcpy(h->at[i].identity, identity, 32);
    h->at[i].issued = issued;
    h->at[i].heard = now;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

int64_t clock_hint_behind(const struct clock_hint *h, uint64_t wall,
                          uint64_t now)
{
    uint64_t earliest[CLOCK_HINT_WITNESSES], low, high;

    if (h->count == 0)
        return 0;
    for (unsigned i = 0; i < h->count; i++)
        earliest[i] =
            h->at[i].issued + time_since(h->at[i].heard, now) / TIME_S;
    qsort(earliest, h->count, sizeof(earliest[0]), ascending);
    low = earliest[h->count - 1 - h->count / 3];
    high = earliest[h->count / 2] + CLOCK_HINT_AGE;
    if (wall < low)
        return (int64_t)(low - wall);
    return wall > high ? -(int64_t)(wall - high) : 0;
}
