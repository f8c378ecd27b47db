/* SPDX-License-Identifier: MIT
 *
 * What the files of a lookup call of each other, for these only.
 */
#ifndef WARREN_DHT_LOOKUP_LOOKUP_PARTS_H
#define WARREN_DHT_LOOKUP_LOOKUP_PARTS_H

#include "dht/lookup/lookup.h"

/* Where a candidate is: in which family, in which slot. */
struct place {
    enum family family;
    uint8_t slot;
};

static inline struct candidate *lookup_candidate(struct lookup *l,
                                                 struct place at)
{
    return &l->side[at.family].slots[at.slot];
}

/* ---- lookup_end.c ------------------------------------------------------ */

void lookup_end(struct lookup *l, enum error err);
/* What became of the query to `c`, for the client. */
struct dht_step lookup_step_of(const struct lookup *l,
                               const struct candidate *c,
                               enum dht_outcome outcome);
void lookup_report(const struct lookup *l, const struct dht_step *step);

/* ---- lookup_found.c ---------------------------------------------------- */

/* Takes the nodes that the candidate `by` names. False when its answer cannot
 * be true. */
bool lookup_take_nodes(struct lookup *l, struct place by,
                       const struct dht_message *m, struct dht_step *step);
/* Takes peers, items or samples. */
void lookup_take_values(struct lookup *l, const struct dht_message *m,
                        struct dht_step *step);

/* ---- lookup_own.c ------------------------------------------------------ */

/* What we have ourselves. */
void lookup_take_own(struct lookup *l);

#endif
