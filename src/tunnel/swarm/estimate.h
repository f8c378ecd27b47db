/* SPDX-License-Identifier: MIT
 *
 * How many members a string has, from those that a few of its points named:
 * Chao's estimator for incidence data (Chao 1987, Biometrics 43:783;
 * "Chao2", bias-corrected), with its standard deviation. Each point is a
 * sample; who was seen at one only says how many were seen at none.
 *
 *   S = seen + (k-1)/k * once (once - 1) / (2 (twice + 1))
 *
 * It is a claim of those who were counted: keys are free, and who knows the
 * string can be as many members as he likes.
 */
#ifndef WARREN_TUNNEL_SWARM_ESTIMATE_H
#define WARREN_TUNNEL_SWARM_ESTIMATE_H

struct estimate {
    double size, spread; /* members; one standard deviation */
};

/* Of `points` that answered. `most`: entries that they and those that were not
 * asked have, as far as is known; there are no more members than these. */
void estimate_size(unsigned seen, unsigned once, unsigned twice,
                   unsigned points, double most, struct estimate *out);

#endif
