/* SPDX-License-Identifier: MIT
 *
 * Widths are fixed: lines are printed as they come.
 */
#include "cli/show/trace.h"
#include "node/control/reply.h"

#include <stdio.h>

void trace_print_head(void)
{
    printf("%9s  %3s  %-21s  %4s  %-10s  %9s  %5s  %5s  %6s\n", "asked ms",
           "hop", "node", "bits", "outcome", "rtt ms", "nodes", "fresh",
           "values");
}

void trace_print_step(struct mp_reader step)
{
    struct mp_reader at;
    char rtt[32] = "-";

    if (reply_find(step, "rtt", &at))
        snprintf(rtt, sizeof(rtt), "%.2f", mp_read_double(&at));
    printf("%9.2f  %3llu  %-21s  %4d  %-10s  %9s  %5llu  %5llu  %6llu\n",
           reply_double(step, "at"),
           (unsigned long long)reply_uint(step, "hop"),
           reply_text(step, "address"), (int)reply_double(step, "bits"),
           reply_text(step, "outcome"), rtt,
           (unsigned long long)reply_uint(step, "nodes"),
           (unsigned long long)reply_uint(step, "fresh"),
           (unsigned long long)reply_uint(step, "values"));
    fflush(stdout);
}
