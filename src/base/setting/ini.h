/* SPDX-License-Identifier: MIT
 *
 * Splits an INI file into lines, sections, keys and values, each with its
 * line number. What they mean is the caller's.
 */
#ifndef WARREN_BASE_SETTING_INI_H
#define WARREN_BASE_SETTING_INI_H

#include <stdbool.h>
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

struct ini {
    char *next, *end;
    const char *section;
    unsigned line;
};

/* `text` is cut into pieces as they are read, and outlives them; text[len]
 * must be a byte of it too. */
void ini_init(struct ini *ini, char *text, size_t len);
/* The next line that says something. False at the end. */
bool ini_next(struct ini *ini, struct ini_item *item);

#endif
