/* SPDX-License-Identifier: MIT
 *
 * What people type: the nearest of the words that would have been right ("did
 * you mean"), and names that are not for the DNS.
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

/* Whether ASCII text ends so, upper or lower case. */
bool words_end_in(const char *text, const char *end);
/* Whether a host is one of the names of warren's own (x.warren), which no
 * server of names may be asked for: whoever hears it learns of the service. */
bool words_is_hidden_host(const char *host);

#endif
