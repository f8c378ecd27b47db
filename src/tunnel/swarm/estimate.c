/* SPDX-License-Identifier: MIT */
#include "tunnel/swarm/estimate.h"

#include <math.h>

static void add_unseen(const struct estimate_of *of, struct estimate *out)
{
    double f1 = of->once, f2 = of->twice, k = of->answered;
    double w = k / (k - 1), r = k / (of->known - k);
    double below = 2 * w * (f2 + 1) + r * f1;
    double unseen = f1 * (f1 - 1) / below;
    double by_f1 = (2 * f1 - 1 - r * unseen) / below;
    double by_f2 = 2 * w * unseen / below;

    out->size += unseen;
    out->spread = sqrt(unseen + f1 * by_f1 * by_f1 + f2 * by_f2 * by_f2);
}

void estimate_size(const struct estimate_of *of, struct estimate *out)
{
    *out = (struct estimate){.size = of->seen};
    if (of->answered > 1 && of->known > of->answered && of->once > 1)
        add_unseen(of, out);
    if (out->size > of->most)
        out->size = of->most > of->seen ? of->most : of->seen;
    if (out->spread > out->size)
        out->spread = out->size;
}
