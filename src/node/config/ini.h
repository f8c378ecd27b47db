/* SPDX-License-Identifier: MIT
 *
 * Splits an INI file into lines, sections, keys and values, each with its
 * line number. What they mean is the caller's.
 */
#ifndef WARREN_NODE_CONFIG_INI_H
#define WARREN_NODE_CONFIG_INI_H

#include <stddef.h>

enum ini_kind { INI_SECTION, INI_PAIR, INI_ERROR };

struct ini_item {
    enum ini_kind kind;
    unsigned line;       /* from 1 */
    const char *section; /* SECTION; PAIR: NULL before the first section */
    const char *key;     /* PAIR */
    const char *value;   /* PAIR, without blanks around it and comment */
    const char *error;   /* ERROR: what is wrong, what would be right */
};

typedef void ini_item_fn(void *arg, const struct ini_item *item);

/* Calls `item` for every line that says something. Strings are valid until it
 * returns. `text` is cut into pieces; text[len] must be a byte of it too. */
void ini_parse(char *text, size_t len, ini_item_fn *item, void *arg);

#endif
