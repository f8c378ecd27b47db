/* SPDX-License-Identifier: MIT
 *
 * Tables that an experiment reads (CSV): rows of fields with commas in between,
 * blanks around them ignored, no quotes. Empty lines and those that begin with
 * # say nothing. Whatever is wrong ends the reading, with a sentence that names
 * file and line.
 */
#ifndef WARREN_SIM_CSV_CSV_H
#define WARREN_SIM_CSV_CSV_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_FIELDS_MAX 256
#define CSV_FILE_MAX   ((size_t)1 << 30) /* bytes */

struct csv {
    const char *file; /* its name, for errors */
    unsigned line;    /* of the row that was read, from 1 */
    size_t count;     /* of its fields */
    char *fields[CSV_FIELDS_MAX];
    struct text *why; /* gets the first error */
    enum error error; /* OK so far */
    char *next, *end;
};

/* csv_file.c: the file's bytes and a terminator behind them; free() them.
 * ERR_IO, ERR_TOO_LARGE, ERR_NO_MEMORY: `why` says which file and what. */
enum error csv_load(const char *file, char **text, size_t *len,
                    struct text *why);

/* `text` is cut into pieces as it is read, and outlives them; text[len] must
 * be a byte of it too. `file` and `why` are kept. */
void csv_init(struct csv *c, const char *file, char *text, size_t len,
              struct text *why);

/* The next row. False at the end, or when c->error is set. */
bool csv_next(struct csv *c);

/* The first error sticks: "FILE:LINE: ...". Returns ERR_SYNTAX. */
enum error csv_fail(struct csv *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A field as a whole number of at most `max`, or as a number with at most
 * `places` digits behind a point, times 10^places: exactly. Otherwise an error
 * that calls it `what`, and false. */
bool csv_number(struct csv *c, size_t field, const char *what, uint64_t max,
                uint64_t *out);
bool csv_decimal(struct csv *c, size_t field, const char *what, unsigned places,
                 uint64_t max, uint64_t *out);

#endif
