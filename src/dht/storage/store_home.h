/* SPDX-License-Identifier: MIT
 *
 * Where we are, for what others store here. It is looked for at the nodes
 * nearest to it; what is far from our id is of little use here, so it weighs
 * more when a full store looks for what makes way: double for each bit that
 * it is too far, sixteenfold at most. Not more than that, because others may
 * come to live near us on purpose, and let the rest look far.
 */
#ifndef WARREN_DHT_STORAGE_STORE_HOME_H
#define WARREN_DHT_STORAGE_STORE_HOME_H

#include "base/endpoint.h"
#include "base/id.h"

#include <stddef.h>
#include <stdint.h>

#define STORE_FAR_MAX 4

/* Those who share as many bits with us as the nodes in our last bucket do are
 * some eight, so what shares as many is stored at us. Tables of others are not
 * quite ours: two bits less are near, too. */
#define STORE_NEAR_MARGIN 2

/* Looked at only when something makes way or comes to a full store. */
struct store_home {
    const struct id *self[FAMILIES];
    const uint16_t *buckets[FAMILIES]; /* of the routing table */
};

/* How often what came from this family's DHT counts double; without a home
 * all is near. */
static inline unsigned store_far(const struct store_home *home,
                                 const struct id *target, enum family family)
{
    unsigned bits, near, far;

    if (home == NULL || *home->buckets[family] <= STORE_NEAR_MARGIN + 1)
        return 0;
    near = *home->buckets[family] - STORE_NEAR_MARGIN - 1U;
    bits = (unsigned)id_common_bits(home->self[family], target);
    far = bits < near ? near - bits : 0;
    return far < STORE_FAR_MAX ? far : STORE_FAR_MAX;
}

#endif
