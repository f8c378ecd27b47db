/* SPDX-License-Identifier: MIT
 *
 * What is wrong with a node and what to do about it, for `warren status`,
 * /health and the log.
 */
#ifndef WARREN_NODE_HOST_HEALTH_H
#define WARREN_NODE_HOST_HEALTH_H

#include "base/text.h"
#include "node/host/node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum health_level {
    HEALTH_NOTE,    /* good to know */
    HEALTH_WARNING, /* works less well than it could */
    HEALTH_ERROR    /* /health answers 503 */
};

#define HEALTH_PROBLEMS_MAX 16
#define HEALTH_TEXT_SIZE    512

struct health_problem {
    enum health_level level;
    const char *code;            /* "no_nodes" */
    char what[HEALTH_TEXT_SIZE]; /* sentences without a full stop */
    char remedy[HEALTH_TEXT_SIZE];
};

struct health {
    size_t count;
    struct health_problem problems[HEALTH_PROBLEMS_MAX]; /* worst first */
};

/* "note", "warning", "error". */
const char *health_level_name(enum health_level level);

void health_check(const struct node *n, uint64_t now, struct health *out);

/* No problem of level HEALTH_ERROR; else `reason` gets the first one. */
bool health_is_ok(const struct health *h, struct text *reason);

#endif
