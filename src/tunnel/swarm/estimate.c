/* SPDX-License-Identifier: MIT */
#include "tunnel/swarm/estimate.h"

#include <math.h>

void estimate_size(unsigned seen, unsigned once, unsigned twice,
                   unsigned points, double most, struct estimate *out)
{
    double f1 = once, f2 = twice, k = points > 0 ? points : 1;
    double a = (k - 1) / k, pairs = 2 * (f2 + 1);
    double unseen = a * f1 * (f1 - 1) / pairs;
    double variance = unseen;

    if (once > 1) {
        double twins = 2 * f1 - 1, below = f1 - 1;

        variance += a * a * f1 * twins * twins / (pairs * pairs);
        variance += a * a * f1 * f1 * f2 * below * below /
                    (pairs * pairs * (f2 + 1) * (f2 + 1));
    }
    out->size = seen + unseen;
    out->spread = sqrt(variance);
    if (out->size > most)
        out->size = most > seen ? most : seen;
    if (out->spread > out->size)
        out->spread = out->size;
}
