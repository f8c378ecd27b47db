/* SPDX-License-Identifier: MIT
 *
 * The speed is that of all runs so far, which is steadier than that of the
 * last moment.
 */
#include "cli/sim/sim_progress.h"

#include "base/timestamp.h"
#include "node/os/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define EVERY     (200 * TIME_MS)
#define CLOCK_LEN 24

void sim_progress_init(struct sim_progress *p, uint64_t runs)
{
    *p = (struct sim_progress){.shown = isatty(STDERR_FILENO) == 1,
                               .began = clock_now(),
                               .run = 1,
                               .runs = runs};
}

/* "1:05:09", or "2d 03:00:00". */
static const char *as_clock(uint64_t ns, char out[CLOCK_LEN])
{
    uint64_t s = ns / TIME_S;

    if (s >= 86400)
        snprintf(out, CLOCK_LEN, "%" PRIu64 "d %02d:%02d:%02d", s / 86400,
                 (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(out, CLOCK_LEN, "%d:%02d:%02d", (int)(s / 3600),
                 (int)(s / 60 % 60), (int)(s % 60));
    return out;
}

void sim_progress_tell(struct sim_progress *p, uint64_t virtual, uint64_t all,
                       uint32_t nodes, uint64_t datagrams)
{
    char at[CLOCK_LEN], of[CLOCK_LEN], left[CLOCK_LEN];
    uint64_t now = clock_now();
    double real, done;

    if (!p->shown || now - p->last < EVERY || virtual == 0)
        return;
    p->last = now;
    p->line = true;
    real = (double)(now - p->began);
    done = (double)(p->run - 1) + (double)virtual / (double)all;
    fprintf(stderr, "\r");
    if (p->runs > 1)
        fprintf(stderr, "run %" PRIu64 "/%" PRIu64 ", ", p->run, p->runs);
    fprintf(stderr,
            "%s of %s, %" PRIu32
            " nodes, %.1fM datagrams, %.0fx, %s to go\033[K",
            as_clock(virtual, at), as_clock(all, of), nodes,
            (double)datagrams / 1e6, done * (double)all / real,
            as_clock((uint64_t)(real * ((double)p->runs - done) / done), left));
    fflush(stderr);
}

void sim_progress_clear(struct sim_progress *p)
{
    if (p->line)
        fprintf(stderr, "\r\033[K");
    p->line = false;
}
