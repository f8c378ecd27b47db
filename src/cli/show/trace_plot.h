/* SPDX-License-Identifier: MIT
 *
 * A lookup as a drawing in text: how near each node is to the target that was
 * asked, against when; a mark says how it ended.
 */
#ifndef WARREN_CLI_SHOW_TRACE_PLOT_H
#define WARREN_CLI_SHOW_TRACE_PLOT_H

#include "wire/msgpack/mp_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TRACE_PLOT_MAX 512 /* steps; a lookup has fewer */

/* Ordered: where two fall together the later one is seen. */
enum trace_mark {
    TRACE_ANSWERED,
    TRACE_FOUND, /* answered, with peers or an item */
    TRACE_SILENT,
    TRACE_FAILED, /* an error, or the query did not leave */
    TRACE_DISTRUSTED
};
#define TRACE_MARKS (TRACE_DISTRUSTED + 1)

struct trace_plot {
    size_t count;
    struct {
        double asked, ended; /* ms; the same while nothing came back */
        int bits;            /* that its id shares with the target */
        enum trace_mark mark;
    } steps[TRACE_PLOT_MAX];
};

/* `step` is at the map of a "step" notification. */
void trace_plot_add(struct trace_plot *p, struct mp_reader step);

/* Nothing for fewer than two steps, which need no drawing. `utf8`: with signs
 * beyond ASCII. As wide as the screen (screen.h), 100 at most. */
void trace_plot_print(const struct trace_plot *p, bool utf8, FILE *to);

/* Whether the environment says that the terminal takes UTF-8: the first of
 * LC_ALL, LC_CTYPE and LANG that says something (POSIX, 8.2). */
bool trace_plot_is_utf8(void);

#endif
