/* SPDX-License-Identifier: MIT
 *
 * The steps of a few lookups, written down to be drawn: who was asked, when,
 * what came of it.
 */
#ifndef WARREN_SIM_MEASURE_TRACE_LOG_H
#define WARREN_SIM_MEASURE_TRACE_LOG_H

#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_outcome {
    TRACE_ANSWERED,
    TRACE_VALUES, /* an answer with what was looked for */
    TRACE_TIMEOUT,
    TRACE_DISTRUSTED
};

struct trace_step {
    uint32_t lookup; /* from 0 */
    struct id target, asker, asked;
    uint64_t asked_at; /* ns since the lookup began */
    uint64_t took;     /* till the answer or the time-out */
    unsigned hop;      /* 1: known before */
    enum trace_outcome outcome;
    bool hostile; /* whom it asked */
};

struct trace_log {
    size_t count, cap;
    struct trace_step *steps; /* owned */
};

void trace_log_deinit(struct trace_log *log);
enum error trace_log_add(struct trace_log *log, const struct trace_step *step);

#endif
