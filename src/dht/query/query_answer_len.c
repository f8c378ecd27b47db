/* SPDX-License-Identifier: MIT */
#include "dht/query/query_answer_len.h"

#include "dht/types/bloom.h"
#include "dht/types/dht_request.h"

#define FRAME   104 /* of an answer beside its lists, without a network name */
#define PEERS   400 /* with their heads */
#define SAMPLES 420 /* and what else comes with them */

/* The nodes alone. */
static size_t nodes_len(const struct dht_message *m, enum family family)
{
    bool both = m->want[FAMILY_IPV4] && m->want[FAMILY_IPV6];
    size_t len = FRAME + m->network.len;

    if (both || family == FAMILY_IPV4)
        len += DHT_K * COMPACT_NODE4;
    if (both || family == FAMILY_IPV6)
        len += DHT_K * COMPACT_NODE6;
    return len;
}

size_t query_answer_len(const struct dht_message *m, enum family family)
{
    switch (m->method) {
    case DHT_FIND_NODE:
        return nodes_len(m, family);
    case DHT_GET_PEERS:
        return nodes_len(m, family) + (m->scrape ? BLOOM_PAIR_BYTES : PEERS);
    case DHT_SAMPLE_INFOHASHES:
        return nodes_len(m, family) + SAMPLES;
    case DHT_GET:
        return DHT_MESSAGE_MAX;
    case DHT_PING:
    case DHT_ANNOUNCE_PEER:
    case DHT_PUT:
    case DHT_UNKNOWN_METHOD:
        break;
    }
    return 0;
}
