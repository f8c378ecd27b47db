/* SPDX-License-Identifier: MIT
 *
 * Writes the Prometheus text format, version 0.0.4:
 *
 *     metrics_family(&m, "warren_udp_dropped_total", METRIC_COUNTER,
 *                    "Datagrams dropped, by reason.");
 *     metrics_labelled(&m, "reason", "too_long", 3);
 */
#ifndef WARREN_NODE_MONITOR_METRICS_H
#define WARREN_NODE_MONITOR_METRICS_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

struct metrics {
    struct text *out;                /* the caller's */
    const char *name;                /* of the family being written */
    const struct metric_label *also; /* of each sample, the last; or NULL */
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

/* One sample of the family: with one label, with `n`. */
void metrics_labelled(struct metrics *m, const char *label, const char *value,
                      uint64_t sample);
void metrics_sample(struct metrics *m, const struct metric_label *labels,
                    size_t n, uint64_t value);
/* Seconds, ratios; NaN and infinities are legal. */
void metrics_double(struct metrics *m, double value);

/* One number of a struct of counters or of a status, which becomes a sample; a
 * table of such rows is all that has to be written for a struct. A row with
 * the name of the one before belongs to its family, and needs no help. A name
 * that ends in _total is a counter's, any other a gauge's. */
struct metric_row {
    const char *name, *help;
    size_t offset, size;          /* METRIC_AT, METRIC_EACH */
    const char *label, *value;    /* both or none */
    const char *(*values)(int i); /* of an array, instead of `value` */
    int first, count;             /* indices of the array */
};

/* bool, or an unsigned integer of 32 or 64 bits. */
#define METRIC_AT(type, member) \
    .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
/* Each of an array from index `from` on; names(i) is the label's value. */
#define METRIC_EACH(type, member, label_name, from, names)                    \
    .offset = offsetof(type, member), .size = sizeof(((type *)0)->member[0]), \
    .label = (label_name), .values = (names), .first = (from),                \
    .count = sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0])

/* `values` is the struct that the `count` rows are about. */
void metrics_rows(struct metrics *m, const struct metric_row *rows,
                  size_t count, const void *values);
#define METRICS_ROWS(m, rows, values) \
    metrics_rows(m, rows, sizeof(rows) / sizeof((rows)[0]), values)

/* The same for several structs of one kind, whose samples stand together in
 * each family: those of values[i] have the label also[i], which may be NULL. */
void metrics_rows_each(struct metrics *m, const struct metric_row *rows,
                       size_t count, const void *const *values,
                       const struct metric_label *const *also, size_t n);

/* The values of labels that are the reason for an error. */
const char *metrics_error_label(int e);

/* A family of one sample. */
void metrics_counter(struct metrics *m, const char *name, const char *help,
                     uint64_t value);
void metrics_gauge(struct metrics *m, const char *name, const char *help,
                   uint64_t value);

#endif
