/* SPDX-License-Identifier: MIT
 *
 * Text that grows on the heap up to a limit: error reports, pages, log lines.
 * Running out of memory or over the limit cuts the text and sticks in
 * `truncated`; what is there stays a valid string.
 */
#ifndef WARREN_BASE_TEXT_H
#define WARREN_BASE_TEXT_H

#include "base/bytes.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *buf;  /* owned; NULL while nothing was allocated */
    size_t len; /* without the terminator */
    size_t cap;
    size_t max; /* `len` never exceeds it */
    bool truncated;
};

void text_init(struct text *t, size_t max);
void text_deinit(struct text *t);

/* Empties it; the memory is kept for the next use. */
void text_clear(struct text *t);

/* Back to the length `len` that it had before. */
void text_cut(struct text *t, size_t len);

/* The text so far, never NULL. */
const char *text_get(const struct text *t);

void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, struct bytes s);
void text_addf(struct text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_vaddf(struct text *t, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* A JSON string with its quotes. Bytes that are not valid UTF-8 become
 * U+FFFD, so that the output is always valid JSON. */
void text_add_json(struct text *t, struct bytes s);

/* Valid UTF-8 without control characters but newline and tab. */
bool text_is_plain(struct bytes s);

/* For terminals and log files: control characters and bytes that are not
 * valid UTF-8 become \xNN, so that nobody else's text can forge a line. */
void text_add_printable(struct text *t, struct bytes s);

/* What comes after "hop" for so many of them: "s", or nothing. */
const char *text_plural(uint64_t count);

#define TEXT_COUNT_SIZE 48

/* "1 node", "2 nodes", "0 queries", "3 hashes"; returns `out`. */
const char *text_count(uint64_t count, const char *noun,
                       char out[TEXT_COUNT_SIZE]);

#endif
