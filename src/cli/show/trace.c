/* SPDX-License-Identifier: MIT
 *
 * Lines are printed as they come, so the widths are fixed before: the narrow
 * ones leave 21 characters for an IPv4 address and a port, and what a wider
 * screen has is for longer addresses. One that has no room stands alone.
 */
#include "cli/show/trace.h"
#include "cli/show/screen.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NODE_MIN 21 /* 255.255.255.255:65535 */
#define NODE_MAX 47 /* IPv6, with brackets and port */
#define OTHERS   59 /* characters of all other columns and gaps */

static int node_width(void)
{
    size_t width = screen_width(stdout);

    if (width < OTHERS + NODE_MIN)
        return NODE_MIN;
    return (int)(width > OTHERS + NODE_MAX ? NODE_MAX : width - OTHERS);
}

void trace_print_head(void)
{
    printf("%8s  %3s  %-*s %4s  %-10s %7s %5s %5s %6s\n", "asked ms", "hop",
           node_width(), "node", "bits", "outcome", "rtt ms", "nodes", "fresh",
           "values");
}

void trace_print_step(struct mp_reader step)
{
    const char *node = reply_text(step, "address");
    struct mp_reader at;
    char rtt[32] = "-";

    if (reply_find(step, "rtt", &at))
        snprintf(rtt, sizeof(rtt), "%.2f", mp_read_double(&at));
    printf("%8.2f  %3" PRIu64 "  ", reply_double(step, "at"),
           reply_uint(step, "hop"));
    if (strlen(node) > (size_t)node_width()) {
        printf("%s\n%15s", node, "");
        node = "";
    }
    printf("%-*s %4d  %-10s %7s %5" PRIu64 " %5" PRIu64 " %6" PRIu64 "\n",
           node_width(), node, (int)reply_double(step, "bits"),
           reply_text(step, "outcome"), rtt, reply_uint(step, "nodes"),
           reply_uint(step, "fresh"), reply_uint(step, "values"));
    fflush(stdout);
}
