/* SPDX-License-Identifier: MIT
 *
 * "Did you mean": the nearest of the words that would have been right.
 */
#ifndef WARREN_BASE_WORDS_H
#define WARREN_BASE_WORDS_H

#include <stdbool.h>

/* Letters to insert, delete, replace or swap with a neighbour to make one of
 * the other (optimal string alignment). Words over 63 letters are far from
 * everything: 64. */
unsigned words_distance(const char *a, const char *b);

/* Near enough to be a slip of the hand: at most one letter in three. */
bool words_similar(const char *typed, const char *right);

#endif
