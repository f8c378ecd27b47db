/* SPDX-License-Identifier: MIT
 *
 * Lines and their fields, cut apart in place, and numbers in integers, so that
 * they are the same on every machine.
 */
#include "sim/csv/csv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define SHOWN 40 /* of a field in an error */

/* ---- Rows -------------------------------------------------------------- */

void csv_init(struct csv *c, const char *file, char *text, size_t len,
              struct text *why)
{
    *c =
        (struct csv){.file = file, .why = why, .next = text, .end = text + len};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        c->next += 3; /* spreadsheets begin a file with this */
}

enum error csv_fail(struct csv *c, const char *format, ...)
{
    va_list args;

    if (c->error == OK) {
        va_start(args, format);
        text_addf(c->why, "%s:%u: ", c->file, c->line);
        text_vaddf(c->why, format, args);
        va_end(args);
        c->error = ERR_SYNTAX;
    }
    return ERR_SYNTAX;
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r';
}

static char *trim(char *s, char *end)
{
    while (s < end && is_blank(*s))
        s++;
    while (end > s && is_blank(end[-1]))
        end--;
    *end = '\0';
    return s;
}

/* The line from `s` to `end`, where a terminator can be put. */
static bool cut_fields(struct csv *c, char *s, char *end)
{
    c->count = 0;
    for (;;) {
        char *comma = memchr(s, ',', (size_t)(end - s));
        char *stop = comma != NULL ? comma : end;

        if (c->count == CSV_FIELDS_MAX) {
            csv_fail(c, "more than %d fields", CSV_FIELDS_MAX);
            return false;
        }
        c->fields[c->count++] = trim(s, stop);
        if (comma == NULL)
            return true;
        s = comma + 1;
    }
}

bool csv_next(struct csv *c)
{
    while (c->error == OK && c->next < c->end) {
        char *s = c->next;
        size_t left = (size_t)(c->end - s);
        char *newline = memchr(s, '\n', left);
        char *end = newline != NULL ? newline : c->end;

        c->next = end + 1;
        c->line++;
        if (memchr(s, '\0', (size_t)(end - s)) != NULL) {
            csv_fail(c, "a NUL byte; tables are plain text");
            return false;
        }
        while (s < end && is_blank(*s))
            s++;
        if (s < end && *s != '#')
            return cut_fields(c, s, end);
    }
    return false;
}

/* ---- Numbers ----------------------------------------------------------- */

/* Another digit of a number that must stay at most `max`. */
static bool append(uint64_t *n, char digit, uint64_t max)
{
    uint64_t d = (uint64_t)(digit - '0');

    if (digit < '0' || digit > '9' || d > max || *n > (max - d) / 10)
        return false;
    *n = *n * 10 + d;
    return true;
}

/* Digits, and where `places` is not 0 a point and some more. */
static bool read_decimal(const char *s, unsigned places, uint64_t max,
                         uint64_t *out)
{
    uint64_t n = 0;
    unsigned after = 0;
    const char *point = NULL;

    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (*s == '.' && point == NULL && places > 0) {
            point = s;
            continue;
        }
        if (point != NULL && after++ == places)
            return false;
        if (!append(&n, *s, max))
            return false;
    }
    if (point != NULL && after == 0)
        return false;
    for (; after < places; after++)
        if (!append(&n, '0', max))
            return false;
    *out = n;
    return true;
}

static uint64_t power_of_10(unsigned places)
{
    uint64_t n = 1;

    while (places-- > 0)
        n *= 10;
    return n;
}

bool csv_decimal(struct csv *c, size_t field, const char *what, unsigned places,
                 uint64_t max, uint64_t *out)
{
    assert(field < c->count);
    if (read_decimal(c->fields[field], places, max, out))
        return true;
    csv_fail(c, "%s is '%.*s' but must be a number from 0 to %" PRIu64, what,
             SHOWN, c->fields[field], max / power_of_10(places));
    if (places > 0)
        text_addf(c->why, " with at most %u digits behind the point", places);
    return false;
}

bool csv_number(struct csv *c, size_t field, const char *what, uint64_t max,
                uint64_t *out)
{
    return csv_decimal(c, field, what, 0, max, out);
}
