/* SPDX-License-Identifier: MIT
 *
 * The steps of a lookup, kept with the request while it runs: whom it asked is
 * told from inside of an engine, where nothing that is shared may be touched.
 */
#ifndef WARREN_SIM_PART_DHT_TRACE_H
#define WARREN_SIM_PART_DHT_TRACE_H

#include "sim/part/dht/errand.h"

/* Has the request, which has just begun, keep its steps. ERR_NO_MEMORY. */
enum error dht_trace_start(const struct laboratory *lab, struct errand *a);
/* Writes them down as those of lookup number `lookup`. ERR_NO_MEMORY. */
enum error dht_trace_keep(const struct laboratory *lab, const struct errand *a,
                          uint32_t lookup);

#endif
