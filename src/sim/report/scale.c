/* SPDX-License-Identifier: MIT */
#include "sim/report/scale.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct scale time_scale(double seconds)
{
    if (seconds < 0.001)
        return (struct scale){1e6, "us"};
    if (seconds < 1)
        return (struct scale){1e3, "ms"};
    if (seconds < 600)
        return (struct scale){1, "s"};
    if (seconds < 36000)
        return (struct scale){1.0 / 60, "min"};
    return (struct scale){1.0 / 3600, "h"};
}

static struct scale byte_scale(double bytes, bool rate)
{
    if (bytes < 10e3)
        return (struct scale){1, rate ? "B/s" : "B"};
    if (bytes < 10e6)
        return (struct scale){1e-3, rate ? "kB/s" : "kB"};
    if (bytes < 10e9)
        return (struct scale){1e-6, rate ? "MB/s" : "MB"};
    return (struct scale){1e-9, rate ? "GB/s" : "GB"};
}

struct scale scale_of(const struct figure *f, double size)
{
    const struct measure_row *row = &measure_rows[f->what];

    if (f->kind == FIGURE_SHARE || f->kind == FIGURE_AT)
        return (struct scale){100, "%"};
    if (f->kind == FIGURE_HITS ||
        (f->kind == FIGURE_COUNT && row->kind != MEASURE_COUNT))
        return (struct scale){1, ""};
    switch (row->unit) {
    case UNIT_TIME:
        return time_scale(size);
    case UNIT_BYTES:
        return byte_scale(size, false);
    case UNIT_BYTE_RATE:
        return byte_scale(size, true);
    case UNIT_RATE:
        return (struct scale){1, "/s"};
    case UNIT_ONE:
    case UNIT_MILLI:
        break;
    }
    return (struct scale){1, ""};
}

static int decimals_of(double number)
{
    double size = fabs(number);

    return size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
}

static bool is_whole(double number)
{
    double size = fabs(number), off = size - floor(size + 0.5);

    return size < 1e15 && fabs(off) <= size * 1e-12;
}

static void print(double number, int decimals, struct text *out)
{
    char digits[400];
    size_t whole;

    snprintf(digits, sizeof(digits), "%.*f", decimals, number);
    whole = strcspn(digits, ".");
    if (whole < 5) {
        text_add(out, digits);
        return;
    }
    for (size_t i = 0; digits[i] != '\0'; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0 && digits[i - 1] != '-')
            text_add(out, ",");
        text_add_bytes(out, bytes_of(&digits[i], 1));
    }
}

void scale_print(double number, struct text *out)
{
    print(number, is_whole(number) ? 0 : decimals_of(number), out);
}

void scale_print_interval(const struct interval *in, struct scale s,
                          struct text *out)
{
    double mean = in->mean * s.factor, half = in->half * s.factor;

    if (half <= fabs(mean) * 1e-9) { /* of numbers that do not differ */
        scale_print(mean, out);
        if (in->count > 1)
            text_add(out, " +-0");
        return;
    }
    print(mean, decimals_of(mean), out);
    text_add(out, " +-");
    print(half, decimals_of(mean), out);
}
