/* SPDX-License-Identifier: MIT
 *
 * A round begins when `round` is moved on, and is over when nobody is `left`.
 * Who has waited for too long sleeps on `begun`; the caller, who has nothing
 * else to do, lets others run instead.
 */
#include "sim/clockwork/crew.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define SPINS  2000
#define YIELDS 50

struct member {
    struct sim_crew *crew;
    uint32_t number;
    pthread_t thread;
};

struct sim_crew {
    uint32_t count; /* those that run, the caller's too */
    void (*work)(void *ctx, uint32_t number);
    void *ctx;
    bool over; /* the next round is none */
    _Alignas(64) atomic_uint round;
    _Alignas(64) atomic_uint left;
    pthread_mutex_t lock;
    pthread_cond_t begun;
    struct member members[];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* True when the round is no longer `seen`. */
static bool spin(struct sim_crew *c, unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&c->round, memory_order_acquire) != seen)
            return true;
        relax();
    }
    for (int i = 0; i < YIELDS; i++) {
        if (atomic_load_explicit(&c->round, memory_order_acquire) != seen)
            return true;
        sched_yield();
    }
    return false;
}

static void await(struct sim_crew *c, unsigned seen)
{
    if (spin(c, seen))
        return;
    pthread_mutex_lock(&c->lock);
    while (atomic_load(&c->round) == seen)
        pthread_cond_wait(&c->begun, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

static void *run(void *arg)
{
    const struct member *m = arg;
    struct sim_crew *c = m->crew;

    for (unsigned seen = 0;; seen++) {
        await(c, seen);
        if (c->over)
            return NULL;
        c->work(c->ctx, m->number);
        atomic_fetch_sub_explicit(&c->left, 1, memory_order_release);
    }
}

/* The lock is taken so that nobody falls asleep between his look and this. */
static void begin(struct sim_crew *c)
{
    atomic_store_explicit(&c->left, c->count - 1, memory_order_relaxed);
    pthread_mutex_lock(&c->lock);
    atomic_fetch_add(&c->round, 1);
    pthread_cond_broadcast(&c->begun);
    pthread_mutex_unlock(&c->lock);
}

void sim_crew_work(struct sim_crew *c)
{
    begin(c);
    c->work(c->ctx, 0);
    for (int i = 0; atomic_load_explicit(&c->left, memory_order_acquire) > 0;
         i++) {
        if (i < SPINS)
            relax();
        else
            sched_yield();
    }
}

/* Signals are for the threads of the program. */
static bool start(struct member *m)
{
    sigset_t all, before;
    bool ok;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ok = pthread_create(&m->thread, NULL, run, m) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

enum error sim_crew_new(uint32_t count, void (*work)(void *ctx, uint32_t),
                        void *ctx, struct sim_crew **out)
{
    size_t bytes = sizeof(struct sim_crew) + count * sizeof(struct member);
    struct sim_crew *c = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

    if (c == NULL)
        return ERR_NO_MEMORY;
    c->count = 1;
    c->work = work;
    c->ctx = ctx;
    c->over = false;
    atomic_init(&c->round, 0);
    atomic_init(&c->left, 0);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->begun, NULL);
    while (c->count < count) {
        struct member *m = &c->members[c->count];

        *m = (struct member){.crew = c, .number = c->count};
        if (!start(m)) {
            sim_crew_free(c);
            return ERR_NO_MEMORY;
        }
        c->count++;
    }
    *out = c;
    return OK;
}

void sim_crew_free(struct sim_crew *c)
{
    if (c == NULL)
        return;
    c->over = true;
    begin(c);
    for (uint32_t i = 1; i < c->count; i++)
        pthread_join(c->members[i].thread, NULL);
    pthread_cond_destroy(&c->begun);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
