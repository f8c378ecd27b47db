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

struct store_home {
    struct id self[FAMILIES];
    uint8_t bits[FAMILIES]; /* what shares as many with our id is near */
};

/* How often what came from this family's DHT counts double; without a home
 * all is near. */
static inline unsigned store_far(const struct store_home *home,
                                 const struct id *target, enum family family)
{
    unsigned bits, far;

    if (home == NULL || home->bits[family] == 0)
        return 0;
    bits = (unsigned)id_common_bits(&home->self[family], target);
    far = bits < home->bits[family] ? home->bits[family] - bits : 0;
    return far < STORE_FAR_MAX ? far : STORE_FAR_MAX;
}

#endif
