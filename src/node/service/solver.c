/* SPDX-License-Identifier: MIT
 *
 * A ring of tasks under one lock. A task goes WAITING -> DONE by the thread,
 * and out of the ring by the loop, both in the order of the ring.
 */
#include "node/service/solver.h"

#include "base/timestamp.h"
#include "node/os/clock.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRIES 4 /* between two looks at the clock: 2 ms */

struct task {
    uint64_t id, budget;
    struct work_task task;
    struct work_proof proof;
    bool found;
};

struct solver {
    solver_try_fn *attempt;
    solver_solved_fn *solved;
    void *arg;
    int wakes; /* eventfd */
    struct event *woken;
    pthread_t thread;
    bool has_thread; /* of the loop alone: it has to be joined */

    pthread_mutex_t lock;
    pthread_cond_t more;
    bool stop;
    struct task ring[SOLVER_TASKS];
    unsigned first, done, count; /* tasks; the `done` first ones are so */
};

static struct task *task_at(struct solver *s, unsigned i)
{
    return &s->ring[(s->first + i) % SOLVER_TASKS];
}

/* ---- In the thread ------------------------------------------------------ */

static bool is_stopped(struct solver *s)
{
    bool stop;

    pthread_mutex_lock(&s->lock);
    stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return stop;
}

/* Without the lock: `t` is a copy. */
static void work_on(struct solver *s, struct task *t)
{
    uint64_t until = time_after(clock_now(), t->budget);
    enum error err = ERR_NOT_FOUND;
    uint64_t nonce;

    randombytes_buf(&nonce, sizeof(nonce));
    while (err == ERR_NOT_FOUND && clock_now() < until && !is_stopped(s))
        err = s->attempt(&t->task, &nonce, TRIES, &t->proof);
    t->found = err == OK;
}

static void wake(const struct solver *s)
{
    uint64_t one = 1;
    ssize_t r = write(s->wakes, &one, sizeof(one));

    (void)r; /* full: it is awake */
}

/* Nothing of the process waits for this thread; signals are for the loop. */
static void step_back(void)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
}

static void *run(void *arg)
{
    struct solver *s = arg;

    step_back();
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        struct task t;

        if (s->done == s->count) {
            pthread_cond_wait(&s->more, &s->lock);
            continue;
        }
        t = *task_at(s, s->done);
        pthread_mutex_unlock(&s->lock);
        work_on(s, &t);
        pthread_mutex_lock(&s->lock);
        *task_at(s, s->done++) = t;
        wake(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- In the loop -------------------------------------------------------- */

static bool take_done(struct solver *s, struct task *out)
{
    bool is_done;

    pthread_mutex_lock(&s->lock);
    is_done = s->done > 0;
    if (is_done) {
        *out = s->ring[s->first];
        s->first = (s->first + 1) % SOLVER_TASKS;
        s->done--;
        s->count--;
    }
    pthread_mutex_unlock(&s->lock);
    return is_done;
}

static void on_woken(evutil_socket_t fd, short what, void *arg)
{
    struct solver *s = arg;
    uint64_t count;
    ssize_t r = read(fd, &count, sizeof(count));
    struct task t;

    (void)r;
    (void)what;
    while (take_done(s, &t))
        s->solved(s->arg, t.id, t.found, &t.proof);
}

static bool start_thread(struct solver *s)
{
    sigset_t all, before;

    if (s->has_thread)
        return true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->has_thread = pthread_create(&s->thread, NULL, run, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s->has_thread;
}

enum error solver_add(struct solver *s, uint64_t id,
                      const struct work_task *task, uint64_t budget)
{
    enum error err = OK;

    if (!start_thread(s))
        return ERR_NO_MEMORY;
    pthread_mutex_lock(&s->lock);
    if (s->count == SOLVER_TASKS) {
        err = ERR_FULL;
    } else {
        *task_at(s, s->count++) =
            (struct task){.id = id, .budget = budget, .task = *task};
        pthread_cond_signal(&s->more);
    }
    pthread_mutex_unlock(&s->lock);
    return err;
}

unsigned solver_tasks(struct solver *s)
{
    unsigned count;

    pthread_mutex_lock(&s->lock);
    count = s->count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

enum error solver_new(struct event_base *base, solver_try_fn *attempt,
                      solver_solved_fn *solved, void *arg, struct solver **out)
{
    struct solver *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->attempt = attempt;
    s->solved = solved;
    s->arg = arg;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    s->wakes = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->wakes >= 0)
        s->woken = event_new(base, s->wakes, EV_READ | EV_PERSIST, on_woken, s);
    if (s->woken == NULL || event_add(s->woken, NULL) != 0) {
        solver_free(s);
        return ERR_NO_MEMORY;
    }
    *out = s;
    return OK;
}

void solver_free(struct solver *s)
{
    if (s == NULL)
        return;
    if (s->has_thread) {
        pthread_mutex_lock(&s->lock);
        s->stop = true;
        pthread_cond_signal(&s->more);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    if (s->woken != NULL)
        event_free(s->woken);
    if (s->wakes >= 0)
        close(s->wakes);
    pthread_cond_destroy(&s->more);
    pthread_mutex_destroy(&s->lock);
    sodium_memzero(s, sizeof(*s));
    free(s);
}
