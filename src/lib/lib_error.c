/* SPDX-License-Identifier: MIT
 *
 * One table for both directions: what a program is told of an error of ours,
 * and what is made of a number that its DHT says.
 */
#include "lib/lib_error.h"
#include "warren.h"

#include <stddef.h>

/* Of several lines with one number the first counts for what a DHT says.
 * Errors that are not here are WARREN_ERR_FAILED, numbers that are not
 * ERR_REMOTE; WARREN_ERR_REFUSED is no error of a function but how a datagram
 * ended (warren_send.c). */
static const struct {
    enum error ours;
    int theirs;
} pairs[] = {
    {OK, WARREN_OK},
    {ERR_RANGE, WARREN_ERR_ARGUMENT},
    {ERR_SYNTAX, WARREN_ERR_ARGUMENT},
    {ERR_ADDRESS, WARREN_ERR_ARGUMENT},
    {ERR_NOT_FOUND, WARREN_ERR_NOT_FOUND},
    {ERR_TOO_LARGE, WARREN_ERR_TOO_LARGE},
    {ERR_NO_SPACE, WARREN_ERR_TOO_LARGE},
    {ERR_FULL, WARREN_ERR_FULL},
    {ERR_RATE_LIMITED, WARREN_ERR_FULL},
    {ERR_NO_MEMORY, WARREN_ERR_NO_MEMORY},
    {ERR_UNSUPPORTED, WARREN_ERR_UNSUPPORTED},
    {ERR_NO_NODES, WARREN_ERR_NO_NODES},
    {ERR_TIMEOUT, WARREN_ERR_TIMEOUT},
    {ERR_CANCELLED, WARREN_ERR_CANCELLED},
};
#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

int lib_error_of(enum error e)
{
    for (size_t i = 0; i < PAIRS; i++)
        if (pairs[i].ours == e)
            return pairs[i].theirs;
    return WARREN_ERR_FAILED;
}

enum error lib_error_from(int error)
{
    for (size_t i = 0; i < PAIRS; i++)
        if (pairs[i].theirs == error)
            return pairs[i].ours;
    return ERR_REMOTE;
}

const char *lib_error_text(int error)
{
    static const char *const texts[] = {
        [WARREN_OK] = "success",
        [WARREN_ERR_ARGUMENT] = "an argument is not what it must be",
        [WARREN_ERR_NOT_FOUND] = "there is no such thing",
        [WARREN_ERR_TOO_LARGE] = "it is too large for one datagram",
        [WARREN_ERR_FULL] = "a cap is reached",
        [WARREN_ERR_NO_MEMORY] = "out of memory",
        [WARREN_ERR_UNSUPPORTED] = "not supported here",
        [WARREN_ERR_NO_NODES] = "no nodes are known to ask",
        [WARREN_ERR_TIMEOUT] = "nobody answered in time",
        [WARREN_ERR_CANCELLED] = "cancelled",
        [WARREN_ERR_FAILED] = "it failed",
        [WARREN_ERR_REFUSED] = "refused by the exit",
        [WARREN_ERR_NOT_KEPT] = "done, but the disk cannot be written",
    };

    if (error < 0 || (size_t)error >= sizeof(texts) / sizeof(texts[0]))
        return "unknown error";
    return texts[error];
}
