/* SPDX-License-Identifier: MIT
 *
 * The steps of a lookup, kept with the request while it runs: whom it asked is
 * told from inside of an engine, where nothing that is shared may be changed.
 */
#ifndef WARREN_SIM_PART_DHT_TRACE_H
#define WARREN_SIM_PART_DHT_TRACE_H

#include "sim/part/dht/errand.h"

/* Of the request, which has just begun, it is seen whether it asks hostile
 * nodes, and, if wanted, all of its steps are kept. ERR_NO_MEMORY. */
enum error dht_trace_start(struct errand *a, bool keep);
/* Writes them down as those of lookup number `lookup`. ERR_NO_MEMORY. */
enum error dht_trace_keep(const struct laboratory *lab, const struct errand *a,
                          uint32_t lookup);

#endif
