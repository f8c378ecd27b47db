/* SPDX-License-Identifier: MIT
 *
 * How many members a string has, from those that a few of its points named.
 * Each point is a sample; who was seen at one only says how many were seen at
 * none (Chao 1987, Biometrics 43:783), and the less so the more of all points
 * were asked (without replacement: Chao and Lin 2012, Biometrics 68:912):
 *
 *   S = seen + once (once - 1) / (2 w (twice + 1) + r once)
 *   w = k / (k - 1)     r = q / (1 - q)     q = k / points known
 *
 * with its standard deviation by the delta method. It is a claim of those who
 * were counted: keys are free, and who knows the string can be as many members
 * as he likes.
 */
#ifndef WARREN_TUNNEL_SWARM_ESTIMATE_H
#define WARREN_TUNNEL_SWARM_ESTIMATE_H

struct estimate {
    double size, spread; /* members; one standard deviation */
};

struct estimate_of {
    unsigned seen, once, twice; /* members: in all, at one point, at two */
    unsigned answered, known;   /* points */
    double most; /* entries at all points, as far as is known: there are no more
                    members than these */
};

void estimate_size(const struct estimate_of *of, struct estimate *out);

#endif
