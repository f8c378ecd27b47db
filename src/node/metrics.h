/* SPDX-License-Identifier: MIT
 *
 * Writes the Prometheus text format, version 0.0.4:
 *
 *     metrics_family(&m, "warren_udp_dropped_total", METRIC_COUNTER,
 *                    "Datagrams dropped, by reason.");
 *     metrics_labelled(&m, "reason", "too_long", 3);
 */
#ifndef WARREN_NODE_METRICS_H
#define WARREN_NODE_METRICS_H

#include "node/text.h"

#include <stddef.h>
#include <stdint.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

struct metrics {
    struct text *out; /* the caller's */
    const char *name; /* of the family being written */
};

struct metric_label {
    const char *name;
    const char *value; /* any bytes; escaped here */
};

void metrics_init(struct metrics *m, struct text *out);

/* Begins a family: its samples follow. A counter's name ends in _total. Names
 * are ours: a bad one is a bug and asserts. `name` must stay valid. */
void metrics_family(struct metrics *m, const char *name, enum metric_type type,
                    const char *help);

/* One sample of the family: without label, with one, with `n`. */
void metrics_value(struct metrics *m, uint64_t value);
void metrics_labelled(struct metrics *m, const char *label, const char *value,
                      uint64_t sample);
void metrics_sample(struct metrics *m, const struct metric_label *labels,
                    size_t n, uint64_t value);
/* Seconds, ratios; NaN and infinities are legal. */
void metrics_double(struct metrics *m, double value);

/* A family of one sample. */
void metrics_counter(struct metrics *m, const char *name, const char *help,
                     uint64_t value);
void metrics_gauge(struct metrics *m, const char *name, const char *help,
                   uint64_t value);

#endif
