/* SPDX-License-Identifier: MIT
 *
 * A table for people: cells are added row by row, widths follow from them.
 */
#ifndef WARREN_CLI_SHOW_COLUMNS_H
#define WARREN_CLI_SHOW_COLUMNS_H

#include "base/text.h"

#include <stddef.h>
#include <stdio.h>

#define COLUMNS_MAX 10

struct columns {
    struct text cells; /* each ends with a zero byte */
    size_t widths[COLUMNS_MAX];
    size_t count; /* columns */
    size_t at;    /* of the next cell */
};

/* `head` names the columns, separated by |; one that begins with > is aligned
 * to the right. */
void columns_init(struct columns *c, const char *head);
void columns_deinit(struct columns *c);

void columns_add(struct columns *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void columns_print(const struct columns *c, FILE *to);

#endif
