/* SPDX-License-Identifier: MIT
 *
 * Tables with a row for each point of a sweep: columns are added until the
 * next one would be past the 80th place; then what there is is printed and
 * another table begins.
 */
#ifndef WARREN_SIM_REPORT_SUMMARY_TABLE_H
#define WARREN_SIM_REPORT_SUMMARY_TABLE_H

#include "base/text.h"
#include "sim/report/figure.h"
#include "sim/report/scale.h"

#define SUMMARY_COLUMNS    80
#define SUMMARY_TABLE_MAX  16 /* columns */
#define SUMMARY_TITLE_SIZE 64

struct summary_column {
    struct figure figure;
    char name[SUMMARY_TITLE_SIZE]; /* below the title, or "" */
    /* The table's own. */
    const char *title; /* of this one and those after it without one */
    size_t width;
    struct scale scale;
};

struct summary_table {
    const struct report *report;
    const char *name;
    size_t first; /* width of the column of points */
    size_t width, count;
    struct summary_column columns[SUMMARY_TABLE_MAX];
};

void summary_table_begin(struct summary_table *t, const struct report *r,
                         const char *name);
/* Columns that belong together, under one title; `out` gets what is full. Of
 * those that no line is wide enough for, the last ones are left out. */
void summary_table_add(struct summary_table *t, const char *title,
                       const struct summary_column *columns, size_t count,
                       struct text *out);
void summary_table_end(struct summary_table *t, struct text *out);

#endif
