/* SPDX-License-Identifier: MIT
 *
 * The string kind of services. From the string come a topic for each period,
 * which introduction points are told, and two secrets, which they are not:
 *
 *   R         = BLAKE2b-256(["warren service", network, string])
 *   topic     = BLAKE2b-256(key: R, "topic" 00 | p u32)
 *   entry key = BLAKE2b-256(key: R, "entry" 00 | p u32)
 *   credential= BLAKE2b-256(key: R, "credential" 00)
 *   D_r       = BLAKE2b-160(["warren topic", network, topic, r]), r = 0, 1
 *
 * D_r are the keys under which introduction points announce themselves in the
 * DHT. They make them themselves, so that nobody can have a relay announce a
 * hash of his choice. A string that can be guessed is public.
 */
#ifndef WARREN_TUNNEL_RECORD_TOPIC_H
#define WARREN_TUNNEL_RECORD_TOPIC_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/id.h"

#include <stdint.h>

#define TOPIC_STRING_MAX 255
#define TOPIC_BYTES      32
#define TOPIC_REPLICAS   2

/* R. ERR_WRONG_LENGTH: not 1 to TOPIC_STRING_MAX bytes. */
enum error topic_root(const char *network, struct bytes string,
                      uint8_t root[32]);

void topic_of(const uint8_t root[32], uint32_t period,
              uint8_t topic[TOPIC_BYTES]);
void topic_entry_key(const uint8_t root[32], uint32_t period, uint8_t key[32]);
void topic_credential(const uint8_t root[32], uint8_t credential[32]);

/* D_r, of what a relay is told. */
void topic_hash(const char *network, const uint8_t topic[TOPIC_BYTES],
                unsigned replica, struct id *out);

#endif
