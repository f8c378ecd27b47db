/* SPDX-License-Identifier: MIT
 *
 * A table for people: cells are added row by row, widths follow from them and
 * from the screen. What is too wide becomes narrower in this order, and no
 * word is broken:
 *
 *     identifiers are shortened to their first 8 digits;
 *     cells of several words get as many lines as they need;
 *     columns that have no room left stand below the others.
 */
#ifndef WARREN_CLI_SHOW_COLUMNS_H
#define WARREN_CLI_SHOW_COLUMNS_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define COLUMNS_MAX      10
#define COLUMNS_SHORT_ID 8

struct column {
    size_t width;   /* in characters */
    size_t longest; /* word of any cell */
    bool right;     /* aligned to the right */
    bool is_id;     /* may be shortened */
    bool folds;     /* its words may stand below each other */
};

struct columns {
    struct text cells; /* each ends with a zero byte */
    struct column columns[COLUMNS_MAX];
    size_t count; /* columns */
    size_t at;    /* of the next cell */
};

/* `head` names the columns, separated by |. One that begins with > is aligned
 * to the right, with # has identifiers, with + cells of several words. */
void columns_init(struct columns *c, const char *head);
void columns_deinit(struct columns *c);

void columns_add(struct columns *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void columns_print(const struct columns *c, FILE *to);

#endif
