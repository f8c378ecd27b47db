/* SPDX-License-Identifier: MIT
 *
 * Optimal string alignment, the Damerau-Levenshtein distance in which no letter
 * is edited twice, by the table of Wagner and Fischer (1974). Of the table the
 * last three rows are kept: a swap of neighbours looks two rows back.
 */
#include "base/words.h"

#include <string.h>

#define LETTERS_MAX 63

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

unsigned words_distance(const char *a, const char *b)
{
    size_t m = strlen(a), n = strlen(b);
    /* Row i, in rows[i % 3], has at j the distance of the first i letters of
     * `a` from the first j of `b`. */
    unsigned rows[3][LETTERS_MAX + 1];

    if (m > LETTERS_MAX || n > LETTERS_MAX)
        return LETTERS_MAX + 1;
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= m; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *before = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1,
                          above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min3(row[j], before[j - 2] + 1, row[j]);
        }
    }
    return rows[m % 3][n];
}

bool words_similar(const char *typed, const char *right)
{
    size_t len = strlen(right);

    return words_distance(typed, right) <= (len < 3 ? 1 : len / 3);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool words_end_in(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    if (len < end_len)
        return false;
    for (size_t i = 0; i < end_len; i++)
        if (lower(text[len - end_len + i]) != lower(end[i]))
            return false;
    return true;
}

bool words_is_hidden_host(const char *host)
{
    return words_end_in(host, ".warren") || words_end_in(host, ".warren.");
}
