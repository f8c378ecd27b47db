/* SPDX-License-Identifier: MIT
 *
 * Sums in the order of the repetitions and one operation a statement, so that
 * no compiler joins two and the same digits come out everywhere.
 */
#include "sim/report/interval.h"

#include <assert.h>
#include <math.h>

double interval_student(size_t freedom)
{
    static const double table[] = {
        0,     12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
        2.306, 2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069,
        2.064, 2.060,  2.056, 2.052, 2.048, 2.045, 2.042};

    assert(freedom > 0);
    if (freedom <= 30)
        return table[freedom];
    if (freedom < 40)
        return 2.042;
    if (freedom < 60)
        return 2.021;
    return freedom < 120 ? 2.000 : 1.980;
}

struct interval interval_of(const double *values, size_t count)
{
    struct interval in = {.count = count};
    double n = (double)count, sum = 0, squares = 0;

    if (count == 0)
        return in;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    in.mean = sum / n;
    if (count == 1)
        return in;
    for (size_t i = 0; i < count; i++) {
        double off = values[i] - in.mean;
        double square = off * off;

        squares += square;
    }
    squares /= n - 1;
    in.half = sqrt(squares / n);
    in.half *= interval_student(count - 1);
    return in;
}
