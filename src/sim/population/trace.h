/* SPDX-License-Identifier: MIT
 *
 * Comings and goings as they were measured somewhere, from a CSV file:
 *
 *     seconds,node,event          (this line may be missing)
 *     0,17,join
 *     12.5,17,leave
 *
 * Seconds since the network began, with at most three digits behind the point,
 * in the order of time; nodes are numbers below `nodes`. A node joins when it
 * is away, as all are at first, and leaves when it is there.
 */
#ifndef WARREN_SIM_POPULATION_TRACE_H
#define WARREN_SIM_POPULATION_TRACE_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_SECONDS_MAX 100000000 /* three years */
#define TRACE_EVENTS_MAX  ((size_t)1 << 26)

struct trace_event {
    uint64_t at; /* ns */
    uint32_t node;
    bool join;
};

/* Zeroed: empty. */
struct trace {
    struct trace_event *events;
    size_t count, cap;
};

/* ERR_IO, ERR_TOO_LARGE, ERR_SYNTAX, ERR_NO_MEMORY: `why` gets "FILE:LINE: what
 * is wrong", and `t` is empty. */
enum error trace_load(struct trace *t, const char *file, uint32_t nodes,
                      struct text *why);
/* The same from memory, which is cut into pieces; text[len] must be a byte of
 * it too. */
enum error trace_parse(struct trace *t, const char *file, char *text,
                       size_t len, uint32_t nodes, struct text *why);
void trace_deinit(struct trace *t);

#endif
