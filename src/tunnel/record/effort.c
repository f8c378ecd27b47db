/* SPDX-License-Identifier: MIT
 *
 * A controller of one number, in turns of a minute.
 */
#include "tunnel/record/effort.h"

#include "base/timestamp.h"

#include <string.h>

static void draw(struct effort *f, const struct random_source *random,
                 uint64_t wall)
{
    memcpy(f->seed[1], f->seed[0], WORK_SEED_BYTES);
    random->fill(random->ctx, f->seed[0], WORK_SEED_BYTES);
    f->seed_until = wall + EFFORT_SEED_LIFE;
}

void effort_init(struct effort *f, const struct random_source *random,
                 uint64_t wall, uint64_t now)
{
    *f = (struct effort){.check_rate =
                             token_rate_of(EFFORT_CHECKS, EFFORT_CHECKS / 4)};
    draw(f, random, wall);
    f->turn_at = time_after(now, EFFORT_TURN);
}

static const uint8_t *seed_of(const struct effort *f, const uint8_t auth_id[16],
                              const uint8_t hint[4])
{
    unsigned seeds = f->has_previous ? 2 : 1;
    uint8_t expected[WORK_HINT_BYTES];

    for (unsigned i = 0; i < seeds; i++) {
        work_hint(f->seed[i], auth_id, expected);
        if (memcmp(expected, hint, sizeof(expected)) == 0)
            return f->seed[i];
    }
    return NULL;
}

static enum effort_verdict bad(struct effort *f)
{
    f->bad++;
    return EFFORT_BAD;
}

enum effort_verdict effort_check(struct effort *f, const uint8_t hint[4],
                                 struct work_task *task,
                                 const struct work_proof *proof, uint64_t now)
{
    const uint8_t *seed = seed_of(f, task->auth_id, hint);

    if (f->asked == 0 || seed == NULL || task->effort < f->asked)
        return EFFORT_NONE;
    memcpy(task->seed, seed, sizeof(task->seed));
    if (!work_is_plausible(task, proof))
        return bad(f);
    if (!token_bucket_take(&f->checks, &f->check_rate, now))
        return EFFORT_LATER;
    return work_verify(task, proof) == OK ? EFFORT_GOOD : bad(f);
}

void effort_refused(struct effort *f)
{
    f->refused++;
}

void effort_queue(struct effort *f, unsigned queued, unsigned max)
{
    f->crowded |= queued > max / 4;
}

/* One turn is over. */
static void turn(struct effort *f)
{
    if (f->refused > 0 && f->asked == 0)
        f->asked = EFFORT_FIRST;
    else if (f->refused > 0)
        f->asked = f->asked * 2 > EFFORT_MAX ? EFFORT_MAX : f->asked * 2;
    else if (!f->crowded)
        f->asked = f->asked * 2 / 3;
    if (f->asked < EFFORT_FIRST)
        f->asked = f->bad > EFFORT_MANY_BAD ? EFFORT_FIRST : 0;
    f->refused = f->bad = 0;
    f->crowded = false;
}

static bool differs(uint32_t a, uint32_t b)
{
    uint32_t low = a < b ? a : b, high = a < b ? b : a;

    return (uint64_t)(high - low) * 100 > (uint64_t)low * 15;
}

bool effort_tick(struct effort *f, const struct random_source *random,
                 uint64_t wall, uint64_t now)
{
    bool fresh = wall >= f->seed_until;

    if (fresh) {
        draw(f, random, wall);
        f->has_previous = true;
    }
    while (now >= effort_deadline(f)) {
        uint64_t since = time_min(now, f->turn_at);

        turn(f);
        f->turn_at = time_after(since, EFFORT_TURN);
        if (time_since(f->turn_at, now) > 10 * EFFORT_TURN) /* it slept */
            f->turn_at = time_after(now, EFFORT_TURN);
    }
    if (!differs(f->asked, f->published) && !(fresh && f->asked > 0))
        return false;
    f->published = f->asked;
    return true;
}

uint64_t effort_deadline(const struct effort *f)
{
    bool first = f->asked == 0 && f->refused > 0;

    return first ? f->turn_at - (EFFORT_TURN - EFFORT_TURN_FIRST) : f->turn_at;
}
