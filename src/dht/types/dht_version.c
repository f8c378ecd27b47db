/* SPDX-License-Identifier: MIT */
#include "dht/types/dht_version.h"

#include <stdio.h>
#include <stdlib.h>

/* One of the numbers between the dots of a version. */
static unsigned next_number(const char **text)
{
    char *end;
    unsigned long n = strtoul(*text, &end, 10);

    *text = *end == '.' ? end + 1 : end;
    return (unsigned)n;
}

void dht_version_own(uint8_t out[DHT_VERSION_BYTES])
{
    const char *text = WARREN_VERSION;
    unsigned major = next_number(&text), minor = next_number(&text);

    out[0] = 'W';
    out[1] = 'R';
    out[2] = (uint8_t)major;
    out[3] = (uint8_t)((minor & 15) << 4 | (next_number(&text) & 15));
}

/* libtorrent's minor number had the whole byte before 1.0. */
static bool has_numbers(struct bytes v)
{
    if (v.len != DHT_VERSION_BYTES)
        return false;
    return (v.p[0] == 'W' && v.p[1] == 'R') ||
           (v.p[0] == 'L' && v.p[1] == 'T' && v.p[2] > 0);
}

static void print_bytes(struct bytes v, char *out)
{
    for (size_t i = 0; i < v.len; i++) {
        uint8_t b = v.p[i];

        if (b > ' ' && b < 0x7f && b != '"' && b != ',' && b != '\\')
            *out++ = (char)b;
        else
            out += sprintf(out, "\\x%02x", b);
    }
    *out = '\0';
}

const char *dht_version_print(struct bytes version, char out[DHT_VERSION_TEXT])
{
    struct bytes v = version;

    if (v.len > DHT_VERSION_MAX)
        v.len = DHT_VERSION_MAX;
    if (has_numbers(v))
        snprintf(out, DHT_VERSION_TEXT, "%c%c %u.%u.%u", v.p[0], v.p[1], v.p[2],
                 v.p[3] >> 4, v.p[3] & 15);
    else
        print_bytes(v, out);
    return out;
}
