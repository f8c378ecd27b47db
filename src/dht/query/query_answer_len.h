/* SPDX-License-Identifier: MIT
 *
 * How long an answer we hope for. A node that does not know us answers with no
 * more than three times our query (answer_limit.h), so queries are padded.
 * Private to this room.
 */
#ifndef WARREN_DHT_QUERY_QUERY_ANSWER_LEN_H
#define WARREN_DHT_QUERY_QUERY_ANSWER_LEN_H

#include "wire/krpc/dht_message.h"

/* Bytes of the answer to `m`, sent in this family: as many nodes as are
 * named; 50 IPv4 peers or 20 IPv6 ones, or the filters of a scrape, or 20
 * samples; any item. */
size_t query_answer_len(const struct dht_message *m, enum family family);

#endif
