/* SPDX-License-Identifier: MIT
 *
 * The first two numbers of /proc/thread-self/schedstat (Linux,
 * Documentation/scheduler/sched-stats.rst): nanoseconds spent running, and
 * waiting to run. What is older than a look counts half in the average.
 */
#include "node/os/load.h"

#include "base/limiter.h"
#include "base/timestamp.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY (100 * TIME_MS)

static uint64_t processor_time(void)
{
    struct timespec t = {0};

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * TIME_S + (uint64_t)t.tv_nsec;
}

static uint64_t busy_time(const struct load *l)
{
    unsigned long long ran, waited;
    char text[80];
    ssize_t len;

    if (l->fd == -1)
        return processor_time();
    len = pread(l->fd, text, sizeof(text) - 1, 0);
    if (len <= 0)
        return processor_time();
    text[len] = '\0';
    if (sscanf(text, "%llu %llu", &ran, &waited) != 2)
        return processor_time();
    return (uint64_t)ran + (uint64_t)waited;
}

void load_init(struct load *l, uint64_t now)
{
    l->fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    l->at = now;
    l->busy = busy_time(l);
    l->average = 0;
}

void load_deinit(struct load *l)
{
    if (l->fd != -1)
        close(l->fd);
    l->fd = -1;
}

bool load_look(struct load *l, uint64_t now)
{
    uint64_t passed = time_since(l->at, now), busy;
    unsigned load;

    if (passed < LOOK_EVERY)
        return false;
    busy = busy_time(l);
    load = (unsigned)(time_since(l->busy, busy) * LIMITER_LOAD_MAX / passed);
    if (load > LIMITER_LOAD_MAX)
        load = LIMITER_LOAD_MAX;
    /* After a rest there is nothing to go on. */
    l->average = passed > 4 * LOOK_EVERY ? load : (l->average + load) / 2;
    l->at = now;
    l->busy = busy;
    return true;
}
