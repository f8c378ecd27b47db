/* SPDX-License-Identifier: MIT */
#include "sim/measure/trace_log.h"

#include <stdlib.h>

void trace_log_deinit(struct trace_log *log)
{
    free(log->steps);
    *log = (struct trace_log){0};
}

enum error trace_log_add(struct trace_log *log, const struct trace_step *step)
{
    if (log->count == log->cap) {
        size_t cap = log->cap == 0 ? 64 : 2 * log->cap;
        struct trace_step *steps =
            realloc(log->steps, cap * sizeof(log->steps[0]));

        if (steps == NULL)
            return ERR_NO_MEMORY;
        log->steps = steps;
        log->cap = cap;
    }
    log->steps[log->count++] = *step;
    return OK;
}
