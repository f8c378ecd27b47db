/* SPDX-License-Identifier: MIT
 *
 * Keeps circuits of the lengths that somebody wants: those that are about to
 * end retire, which lets the next tick build others in their place, and what
 * cannot be built is tried again after a pause that doubles.
 */
#include "tunnel/circuit/pool.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stddef.h>

#define TICK         (1 * TIME_S) /* how exactly ages are kept */
#define BACKOFF_MIN  (250 * TIME_MS)
#define BACKOFF_MAX  (30 * TIME_S)
#define LAST_WORDS   (5 * TIME_S)  /* for answers to what was sent */
#define HANDOVER_MAX (30 * TIME_S) /* of a retiring circuit's last days */

void pool_init(struct pool *p, const struct pool_config *config,
               const struct pool_env *env, struct circuits *circuits)
{
    *p = (struct pool){.config = *config,
                       .env = *env,
                       .circuits = circuits,
                       .deadline = TIME_NEVER};
}

static bool is_ready(const struct circuit *c, unsigned hops)
{
    return c->use == CIRCUIT_FOR_DATA && c->state == CIRCUIT_READY &&
           !c->closing && (hops == 0 || c->length == hops);
}

/* Whether one is ready; one that retires counts if it may. */
static bool has_ready(const struct pool *p, unsigned hops, bool retiring_too)
{
    for (unsigned i = 0; i < circuits_count(p->circuits); i++) {
        const struct circuit *c = circuits_at(p->circuits, i);

        if (is_ready(c, hops) && (retiring_too || !c->retiring))
            return true;
    }
    return false;
}

static void note_empty(struct pool *p, unsigned hops, uint64_t now)
{
    if (has_ready(p, hops, true))
        p->empty_since[hops] = TIME_NEVER;
    else if (p->empty_since[hops] == TIME_NEVER)
        p->empty_since[hops] = now;
}

bool pool_keeps(const struct pool *p, unsigned hops)
{
    return p->wanted[hops] || p->holds[hops] > 0;
}

/* Before somebody more wants them. */
static enum error begin(struct pool *p, unsigned hops, uint64_t now)
{
    if (hops < 1 || hops > ONION_HOPS_MAX)
        return ERR_RANGE;
    if (!pool_keeps(p, hops))
        p->empty_since[hops] = TIME_NEVER;
    note_empty(p, hops, now);
    p->deadline = now;
    return OK;
}

enum error pool_build(struct pool *p, unsigned hops, uint64_t now)
{
    enum error e = begin(p, hops, now);

    if (e == OK)
        p->wanted[hops] = true;
    return e;
}

enum error pool_hold(struct pool *p, unsigned hops, uint64_t now)
{
    enum error e = begin(p, hops, now);

    if (e == OK)
        p->holds[hops]++;
    return e;
}

void pool_release(struct pool *p, unsigned hops)
{
    assert(p->holds[hops] > 0);
    p->holds[hops]--;
}

enum error pool_stop(struct pool *p, unsigned hops)
{
    if (hops < 1 || hops > ONION_HOPS_MAX)
        return ERR_RANGE;
    p->wanted[hops] = false;
    return OK;
}

void pool_hurry(struct pool *p, unsigned hops, uint64_t now)
{
    uint64_t soon = time_after(now, BACKOFF_MIN);

    p->retry_at[hops] = time_min(p->retry_at[hops], soon);
    p->deadline = time_min(p->deadline, soon);
}

uint64_t pool_empty_since(const struct pool *p, unsigned hops)
{
    return pool_keeps(p, hops) ? p->empty_since[hops] : TIME_NEVER;
}

bool pool_is_active(const struct pool *p, const struct circuit *c,
                    unsigned hops)
{
    return is_ready(c, hops) &&
           (!c->retiring || !has_ready(p, c->length, false));
}

double pool_ready(const struct pool *p)
{
    unsigned have = 0, lengths = 0;

    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++) {
        if (!pool_keeps(p, hops))
            continue;
        for (unsigned i = 0; i < circuits_count(p->circuits); i++)
            have += pool_is_active(p, circuits_at(p->circuits, i), hops);
        lengths++;
    }
    if (lengths == 0)
        return 0;
    return (double)have / (double)(lengths * p->config.min_circuits);
}

static bool is_nearly_used_up(const struct pool *p, const struct circuit *c)
{
    uint64_t traffic = p->config.max_traffic - p->config.max_traffic / 10;

    return c->bytes_up + c->bytes_down >= traffic;
}

static enum reason overdue(const struct pool *p, const struct circuit *c,
                           uint64_t now)
{
    if (time_since(c->created_at, now) >= p->config.max_time)
        return REASON_AGE;
    if (time_since(c->used_at, now) >= p->config.max_time_inactive)
        return REASON_IDLE;
    if (c->bytes_up + c->bytes_down >= p->config.max_traffic)
        return REASON_TRAFFIC;
    /* Nobody sends over it any more, so that it would never reach its end. */
    if (is_nearly_used_up(p, c) && time_since(c->used_at, now) >= LAST_WORDS &&
        has_ready(p, c->length, false))
        return REASON_TRAFFIC;
    return REASON_UNKNOWN;
}

/* A little before its end, so that a successor can be built in time: not less
 * than can be told apart, where there is that much. */
static bool is_nearly_over(uint64_t since, uint64_t limit, uint64_t now)
{
    uint64_t margin = limit / 10;

    if (margin < 2 * TICK)
        margin = time_min(2 * TICK, limit / 2);
    return time_since(since, now) >= limit - time_min(margin, HANDOVER_MAX);
}

static bool is_due_to_retire(const struct pool *p, const struct circuit *c,
                             uint64_t now)
{
    return is_nearly_over(c->created_at, p->config.max_time, now) ||
           (c->state == CIRCUIT_READY &&
            is_nearly_over(c->used_at, p->config.max_time_inactive, now)) ||
           is_nearly_used_up(p, c);
}

static void retire(struct pool *p, uint64_t now)
{
    for (unsigned i = circuits_count(p->circuits); i-- > 0;) {
        enum reason why = REASON_UNKNOWN;
        struct circuit *c;

        if (i >= circuits_count(p->circuits))
            continue; /* who was told of one that ended has ended others */
        c = circuits_at(p->circuits, i);
        if (c->use != CIRCUIT_FOR_DATA)
            continue;
        if (c->state == CIRCUIT_READY)
            why = overdue(p, c, now);
        if (why != REASON_UNKNOWN)
            circuit_close(p->circuits, c, why, now);
        else if (is_due_to_retire(p, c, now))
            c->retiring = true;
    }
}

/* Circuits of a length that serve or will serve; or all of them. */
static unsigned count_circuits(const struct pool *p, unsigned hops,
                               bool retiring_too)
{
    unsigned n = 0;

    for (unsigned i = 0; i < circuits_count(p->circuits); i++) {
        const struct circuit *c = circuits_at(p->circuits, i);

        n += c->use == CIRCUIT_FOR_DATA && c->length == hops &&
             (retiring_too || !c->retiring);
    }
    return n;
}

static void back_off(struct pool *p, unsigned hops, uint64_t now)
{
    unsigned steps = p->failures[hops] < 8 ? p->failures[hops] : 8;
    uint64_t pause = BACKOFF_MIN << steps;

    if (pause > BACKOFF_MAX)
        pause = BACKOFF_MAX;
    pause += pause / 1024 * random_below(&p->env.random, 256);
    p->failures[hops]++;
    p->retry_at[hops] = time_after(now, pause);
    p->deadline = time_min(p->deadline, p->retry_at[hops]);
}

static bool has_room(const struct pool *p, unsigned hops)
{
    return count_circuits(p, hops, true) < p->config.max_circuits;
}

enum error pool_add(struct pool *p, const struct link_target *path,
                    unsigned hops, bool place, uint64_t now,
                    struct circuit **out)
{
    unsigned most = p->config.max_circuits * (place ? 2 : 1);

    if (count_circuits(p, hops, true) >= most)
        return ERR_FULL;
    p->deadline = now;
    return circuit_new(p->circuits, path, hops, now, out);
}

static void fill_up(struct pool *p, unsigned hops, uint64_t now)
{
    struct link_target path[ONION_HOPS_MAX];
    struct circuit *c;

    while (count_circuits(p, hops, false) < p->config.min_circuits &&
           has_room(p, hops) && now >= p->retry_at[hops]) {
        if (p->env.path(p->env.ctx, hops, path) != OK ||
            circuit_new(p->circuits, path, hops, now, &c) != OK)
            back_off(p, hops, now);
    }
}

void pool_circuit_ready(struct pool *p, struct circuit *c, uint64_t now)
{
    p->failures[c->length] = 0;
    note_empty(p, c->length, now);
}

void pool_circuit_closed(struct pool *p, const struct circuit *c,
                         enum reason why, uint64_t now)
{
    if (!pool_keeps(p, c->length))
        return;
    if (c->state == CIRCUIT_BUILDING)
        back_off(p, c->length, now);
    else if (why != REASON_SHUTDOWN)
        p->deadline = now;
}

void pool_tick(struct pool *p, uint64_t now)
{
    if (now < p->deadline)
        return;
    p->deadline = TIME_NEVER;
    retire(p, now);
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++) {
        note_empty(p, hops, now);
        if (pool_keeps(p, hops))
            fill_up(p, hops, now);
    }
    if (circuits_count(p->circuits) > 0)
        p->deadline = time_min(p->deadline, time_after(now, TICK));
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++) {
        if (pool_keeps(p, hops) && p->retry_at[hops] > now)
            p->deadline = time_min(p->deadline, p->retry_at[hops]);
    }
}

uint64_t pool_next_deadline(const struct pool *p)
{
    return p->deadline;
}
