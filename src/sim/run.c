/* SPDX-License-Identifier: MIT
 *
 * The loop. Time goes from one call of a scenario to the next; what lies
 * between is worked off in windows, none longer than a calendar's day and none
 * across two days (window.c).
 */
#include "sim/network.h"

#include <assert.h>
#include <stdlib.h>

uint64_t sim_now(const struct sim *s)
{
    const struct sim_worker *w = sim_worker_here;

    return (w != NULL && w->sim == s ? w->now : s->now) * SIM_TICK;
}

static void set_now(struct sim *s, uint64_t tick)
{
    s->now = tick;
    sim_workers_set_now(s);
}

/* ---- Calls --------------------------------------------------------------- */

static bool earlier(const struct sim_call *a, const struct sim_call *b)
{
    return a->tick != b->tick ? a->tick < b->tick : a->number < b->number;
}

static void swap(struct sim_call *a, struct sim_call *b)
{
    struct sim_call c = *a;

    *a = *b;
    *b = c;
}

static void sift_up(struct sim_call *heap, size_t i)
{
    for (; i > 0 && earlier(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&heap[i], &heap[(i - 1) / 2]);
}

static void sift_down(struct sim_call *heap, size_t count)
{
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < count && earlier(&heap[child + 1], &heap[child]))
            child++;
        if (child >= count || !earlier(&heap[child], &heap[i]))
            return;
        swap(&heap[i], &heap[child]);
        i = child;
    }
}

static enum error reserve_call(struct sim *s)
{
    size_t cap = s->call_cap == 0 ? 64 : 2 * s->call_cap;
    struct sim_call *calls;

    if (s->call_count < s->call_cap)
        return OK;
    calls = realloc(s->calls, cap * sizeof(*calls));
    if (calls == NULL)
        return ERR_NO_MEMORY;
    s->calls = calls;
    s->call_cap = cap;
    return OK;
}

enum error sim_at(struct sim *s, uint64_t at,
                  void (*fire)(void *ctx, uint64_t now), void *ctx)
{
    enum error err = reserve_call(s);

    assert(sim_tick_of(at) < SIM_NEVER);
    assert(!s->inside || s->tap.see != NULL);
    if (err != OK)
        return err;
    s->calls[s->call_count] =
        (struct sim_call){sim_tick_of(at), s->call_number++, fire, ctx};
    sift_up(s->calls, s->call_count++);
    return OK;
}

static uint64_t next_call(const struct sim *s)
{
    return s->call_count > 0 ? s->calls[0].tick : SIM_NEVER;
}

static void call(struct sim *s)
{
    struct sim_call c = s->calls[0];

    s->calls[0] = s->calls[--s->call_count];
    sift_down(s->calls, s->call_count);
    c.fire(c.ctx, sim_now(s));
}

/* ---- Windows ------------------------------------------------------------- */

static uint64_t next_day(const struct sim *s)
{
    uint64_t day = UINT64_MAX;

    for (uint32_t i = 0; i < s->worker_count; i++) {
        const struct sim_worker *w = &s->workers[i];

        day = time_min(day, sim_calendar_next(w->timers));
        for (uint32_t j = 0; j < s->worker_count; j++)
            day = time_min(day, sim_calendar_next(w->to[j]));
    }
    return day;
}

static void go_to(struct sim *s, uint64_t day)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        struct sim_worker *w = &s->workers[i];

        sim_calendar_go(w->timers, &w->timer_chunks, day);
        for (uint32_t j = 0; j < s->worker_count; j++)
            sim_calendar_go(w->to[j], &w->datagram_chunks, day);
    }
}

/* The day is over: its chunks go back to where they came from. */
static void end_day(struct sim *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        struct sim_worker *w = &s->workers[i];

        assert(w->rest.count == 0);
        sim_calendar_done(w->timers);
        for (uint32_t j = 0; j < s->worker_count; j++) {
            struct sim_worker *from = &s->workers[j];

            sim_calendar_done(w->to[j]);
            sim_pool_put(&from->datagram_chunks, &w->read[j]);
        }
    }
}

/* Where the window of today ends that a tap sees: after the first step at
 * which something happens, if that is before `end`. */
static uint64_t one_step(struct sim *s, uint64_t end)
{
    return time_min(end, sim_worker_gather(&s->workers[0]) + 1);
}

/* Works off the next window with anything in it, up to the tick `limit`. False
 * when nothing is left before that. */
static bool window(struct sim *s, uint64_t limit)
{
    uint64_t day = next_day(s);
    unsigned shift = s->workers[0].timers->shift;
    uint64_t over = (day + 1) << shift;
    uint64_t end = time_min(over, limit);

    if (day == UINT64_MAX || day << shift >= limit)
        return false;
    go_to(s, day);
    if (s->tap.see != NULL)
        end = one_step(s, end);
    sim_workers_work(s, end);
    if (end - 1 > s->now)
        set_now(s, end - 1);
    else
        sim_workers_set_now(s);
    if (end == over)
        end_day(s);
    return end < limit;
}

bool sim_run_until_set(struct sim *s, const bool *flag, uint64_t limit)
{
    uint64_t last = time_min(limit / SIM_TICK, SIM_NEVER - 2);

    assert(!s->inside && sim_worker_here == NULL);
    while (!*flag && last >= s->now) {
        uint64_t stop = time_min(next_call(s), last + 1);

        if (stop <= s->now) {
            call(s);
        } else if (!window(s, stop)) {
            set_now(s, time_min(stop, last));
            if (stop > last)
                break;
        }
    }
    return *flag;
}

void sim_run_until(struct sim *s, uint64_t until)
{
    static const bool never = false;

    sim_run_until_set(s, &never, until);
}

void sim_run_for(struct sim *s, uint64_t duration)
{
    sim_run_until(s, time_after(sim_now(s), duration));
}
