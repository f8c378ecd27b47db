/* SPDX-License-Identifier: MIT
 *
 * The Bloom filters of BEP 33: 2048 bits, of which an IP address sets two, by
 * its SHA-1. A port is no part of it. Filters of several nodes are joined bit
 * by bit, and from the bits that are not set follows how many addresses went
 * in, up to some 6000.
 */
#ifndef WARREN_DHT_TYPES_BLOOM_H
#define WARREN_DHT_TYPES_BLOOM_H

#include "base/endpoint.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOOM_ADDRESSES_MAX 6000
/* Bytes of a message that the two of a scrape take. */
#define BLOOM_PAIR_BYTES (2 * (DHT_BLOOM_BYTES + 10))

void bloom_insert(uint8_t bloom[DHT_BLOOM_BYTES], const struct endpoint *ep);
/* It may have been; false: it was not. */
bool bloom_has(const uint8_t bloom[DHT_BLOOM_BYTES], const struct endpoint *ep);
void bloom_join(uint8_t bloom[DHT_BLOOM_BYTES],
                const uint8_t other[DHT_BLOOM_BYTES]);
/* How many addresses; 0 for an empty one. */
double bloom_estimate(const uint8_t bloom[DHT_BLOOM_BYTES]);

#endif
