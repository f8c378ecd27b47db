/* SPDX-License-Identifier: MIT
 *
 * Three digits or so are what people read: exact numbers are in --json.
 */
#include "cli/show/amount.h"

#include <inttypes.h>
#include <stdio.h>

const char *amount_print(uint64_t bytes, char out[AMOUNT_SIZE])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    double amount = (double)bytes / 1e3;
    size_t unit = 0;

    if (bytes < 1000) {
        snprintf(out, AMOUNT_SIZE, "%" PRIu64 " B", bytes);
        return out;
    }
    while (amount >= 999.95) { /* would be printed as 1000.0 */
        amount /= 1e3;
        unit++;
    }
    snprintf(out, AMOUNT_SIZE, "%.1f %s", amount, units[unit]);
    return out;
}

const char *age_print(uint64_t seconds, char out[AMOUNT_SIZE])
{
    if (seconds < 120)
        snprintf(out, AMOUNT_SIZE, "%" PRIu64 " s", seconds);
    else if (seconds < 7200)
        snprintf(out, AMOUNT_SIZE, "%" PRIu64 " min", seconds / 60);
    else if (seconds < 172800)
        snprintf(out, AMOUNT_SIZE, "%" PRIu64 " h", seconds / 3600);
    else
        snprintf(out, AMOUNT_SIZE, "%" PRIu64 " d", seconds / 86400);
    return out;
}
