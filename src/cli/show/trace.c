/* SPDX-License-Identifier: MIT
 *
 * Lines are printed as they come, so the widths are fixed before: the narrow
 * ones leave 21 characters for an IPv4 address and a port, and what a wider
 * screen has is for longer addresses. An address that has no room stands
 * alone, what is said of it below; on a narrow screen all do.
 */
#include "cli/show/trace.h"
#include "cli/show/screen.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NODE_MIN 21 /* 255.255.255.255:65535 */
#define NODE_MAX 47 /* IPv6, with brackets and port */
#define BEFORE   15 /* characters before the node */
#define OTHERS   59 /* characters of all other columns and gaps */

/* 0: there is no room beside the others. */
static int node_width(void)
{
    size_t width = screen_width(stdout);

    if (width < OTHERS + NODE_MIN)
        return 0;
    return (int)(width > OTHERS + NODE_MAX ? NODE_MAX : width - OTHERS);
}

static void print_node(const char *node)
{
    int width = node_width();

    if (width == 0)
        printf("%s\n", node);
    else if (strlen(node) > (size_t)width)
        printf("%s\n%*s", node, BEFORE + width, "");
    else
        printf("%-*s", width, node);
}

void trace_print_head(void)
{
    printf("%8s  %3s  ", "asked ms", "hop");
    print_node("node");
    printf(" %4s  %-10s %7s %5s %5s %6s\n", "bits", "outcome", "rtt ms",
           "nodes", "fresh", "values");
}

void trace_print_step(struct mp_reader step)
{
    struct mp_reader at;
    char rtt[32] = "-";

    if (reply_find(step, "rtt", &at))
        snprintf(rtt, sizeof(rtt), "%.2f", mp_read_double(&at));
    printf("%8.2f  %3" PRIu64 "  ", reply_double(step, "at"),
           reply_uint(step, "hop"));
    print_node(reply_text(step, "address"));
    printf(" %4d  %-10s %7s %5" PRIu64 " %5" PRIu64 " %6" PRIu64 "\n",
           (int)reply_double(step, "bits"), reply_text(step, "outcome"), rtt,
           reply_uint(step, "nodes"), reply_uint(step, "fresh"),
           reply_uint(step, "values"));
    fflush(stdout);
}
