/* SPDX-License-Identifier: MIT
 *
 * BEP 42: the first 21 bits of a node id follow from its external address and
 * 3 random bits, so that an address has few places in the id space.
 */
#ifndef WARREN_DHT_TYPES_NODE_ID_H
#define WARREN_DHT_TYPES_NODE_ID_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/id.h"
#include "base/random_source.h"

#include <stdbool.h>
#include <stdint.h>

/* An id for `ep` (its port does not matter) whose last byte is `r` and whose
 * other free bits come from `random`. */
void node_id_generate(const struct endpoint *ep, uint8_t r,
                      const struct random_source *random, struct id *out);

/* What an id means that is not allowed at its address. */
enum node_id_rule {
    /* Warren's DHT: who has one is nobody's contact, and not counted among the
     * nearest; an answer that names some is not believed. */
    NODE_ID_STRICT,
    /* The mainline DHT, where most nodes know nothing of BEP 42: they are as
     * good as others, but where there is a choice (which of two goes for a new
     * contact, who is tried next, who is to store) it falls on an id that
     * fits. */
    NODE_ID_LENIENT,
    /* A testing network: ids are not looked at. */
    NODE_ID_ANY
};

/* True when `id` is allowed at `ep`. Addresses that are not global (private,
 * loopback, ...) are exempt: any id is. */
bool node_id_matches(const struct id *id, const struct endpoint *ep);

/* Whether who has this id may be a contact, and be counted. */
static inline bool node_id_may_be(enum node_id_rule rule, const struct id *id,
                                  const struct endpoint *ep)
{
    return rule != NODE_ID_STRICT || node_id_matches(id, ep);
}

/* Of two who may be, one for whom this is true goes first. */
static inline bool node_id_goes_first(enum node_id_rule rule,
                                      const struct id *id,
                                      const struct endpoint *ep)
{
    return rule == NODE_ID_ANY || node_id_matches(id, ep);
}

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4). */
uint32_t crc32c(struct bytes data);

#endif
