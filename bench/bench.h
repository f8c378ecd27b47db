/* SPDX-License-Identifier: MIT
 *
 * What all benches share: clocks, memory, and one table of results.
 */
#ifndef WARREN_BENCH_BENCH_H
#define WARREN_BENCH_BENCH_H

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static inline double bench_clock(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds of processor time of this process: what a noisy machine leaves of
 * a core is not counted. */
static inline double bench_cpu(void)
{
    return bench_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* Bytes that malloc has handed out, its own overhead included. */
static inline double bench_allocated(void)
{
    struct mallinfo2 m = mallinfo2();

    return (double)m.uordblks + (double)m.hblkhd;
}

/* Bytes of memory that are resident. */
static inline double bench_resident(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;

    if (f == NULL || fscanf(f, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    if (f != NULL)
        fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static inline void bench_title(const char *baseline)
{
    printf("%-40s %12s  %-10s %12s %8s  %s\n", "", "value", "unit", baseline,
           "ratio", "aim");
}

/* A line without a baseline. `aim` may be empty. */
static inline void bench_value(const char *name, double value, const char *unit,
                               const char *aim)
{
    printf("%-40s %12.*f  %-10s %12s %8s  %s\n", name, value < 100 ? 2 : 0,
           value, unit, "", "", aim);
}

static inline void bench_ratio(const char *name, double value, const char *unit,
                               double baseline, const char *aim)
{
    printf("%-40s %12.*f  %-10s %12.*f %7.0f%%  %s\n", name,
           value < 100 ? 2 : 0, value, unit, baseline < 100 ? 2 : 0, baseline,
           100 * value / baseline, aim);
}

#endif
