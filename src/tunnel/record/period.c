/* SPDX-License-Identifier: MIT
 *
 * A day in three parts: after midnight, when the last period is still alive,
 * before the next midnight, when the next one is already, and what lies
 * between.
 */
#include "tunnel/record/period.h"

#include <assert.h>

uint32_t period_of(uint64_t wall)
{
    uint64_t period = wall / PERIOD_SECONDS;

    return period < UINT32_MAX ? (uint32_t)period : UINT32_MAX;
}

bool period_is_among(const struct periods *periods, uint32_t period)
{
    for (unsigned i = 0; i < periods->count; i++)
        if (periods->at[i] == period)
            return true;
    return false;
}

uint64_t period_begins(uint32_t period)
{
    return (uint64_t)period * PERIOD_SECONDS;
}

uint32_t period_draw_lead(const struct random_source *random)
{
    return PERIOD_LEAD_MIN +
           random_below(random, PERIOD_AROUND - PERIOD_LEAD_MIN + 1);
}

/* The periods alive at `wall`, when the next one is so `lead` seconds early. */
static void alive(uint64_t wall, uint32_t lead, struct periods *out)
{
    uint32_t p = period_of(wall);
    uint64_t begins = period_begins(p), ends = begins + PERIOD_SECONDS;

    out->count = 1;
    out->at[0] = p;
    if (wall < begins + PERIOD_AROUND) {
        out->change_at = begins + PERIOD_AROUND;
        if (p > 0)
            out->at[out->count++] = p - 1;
    } else if (wall < ends - lead) {
        out->change_at = ends - lead;
    } else {
        out->change_at = ends;
        if (p < UINT32_MAX)
            out->at[out->count++] = p + 1;
    }
}

void period_published(uint64_t wall, uint32_t lead, struct periods *out)
{
    assert(lead >= PERIOD_LEAD_MIN && lead <= PERIOD_AROUND);
    alive(wall, lead, out);
}

void period_asked(uint64_t wall, struct periods *out)
{
    alive(wall, PERIOD_AROUND, out);
}

void period_asked_then(uint64_t wall, struct periods *out)
{
    struct periods asked;
    uint32_t p = period_of(wall), other;

    alive(wall, PERIOD_AROUND, &asked);
    other = asked.count > 1 ? asked.at[1] : p;
    out->count = 0;
    out->change_at = asked.change_at;
    if (p > 0 && other != p - 1)
        out->at[out->count++] = p - 1;
    if (p < UINT32_MAX && other != p + 1)
        out->at[out->count++] = p + 1;
}
