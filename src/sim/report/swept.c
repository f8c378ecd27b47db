/* SPDX-License-Identifier: MIT */
#include "sim/report/swept.h"
#include "sim/report/figure.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

/* What a number before it is to be multiplied with and divided by. */
static const struct suffix {
    const char *suffix;
    double times, by;
} suffixes[] = {{"", 1, 1},     {"%", 1, 100},    {"ns", 1, 1e9},
                {"us", 1, 1e6}, {"ms", 1, 1e3},   {"s", 1, 1},
                {"m", 60, 1},   {"h", 3600, 1},   {"d", 86400, 1},
                {"k", 1024, 1}, {"g", 1 << 30, 1}};

static const struct suffix mega = {"m", 1 << 20, 1};

static const struct suffix *suffix_of(const char *text, enum measure_unit unit)
{
    if (unit == UNIT_BYTES && strcmp(text, mega.suffix) == 0)
        return &mega;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (strcmp(text, suffixes[i].suffix) == 0)
            return &suffixes[i];
    }
    return NULL;
}

bool swept_number(const char *value, enum measure_unit unit, double *out)
{
    size_t whole = strspn(value, DIGITS), len = whole;
    const struct suffix *suffix;

    if (value[len] == '.')
        len += 1 + strspn(value + len + 1, DIGITS);
    if (whole == 0 || len > 18)
        return false;
    suffix = suffix_of(value + len, unit);
    if (suffix == NULL)
        return false;
    /* strtod stops where the digits do: no suffix goes on with one, nor with
     * an exponent. */
    *out = strtod(value, NULL) * suffix->times / suffix->by;
    return true;
}

void swept_print(const struct report *r, const struct report_run *run,
                 size_t key, struct text *out)
{
    double number;

    if (swept_number(run->value[key], r->sweep_unit[key], &number))
        figure_print_number(number, out);
    else
        text_add(out, run->value[key]);
}
