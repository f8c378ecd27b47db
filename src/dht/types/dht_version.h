/* SPDX-License-Identifier: MIT
 *
 * `v` of a message, by which clients of BitTorrent name themselves: two letters
 * (BEP 20's, of which "WR" is ours) and two bytes of version.
 */
#ifndef WARREN_DHT_TYPES_DHT_VERSION_H
#define WARREN_DHT_TYPES_DHT_VERSION_H

#include "base/bytes.h"
#include "wire/krpc/dht_message.h"

#include <stdint.h>

#define DHT_VERSION_BYTES 4 /* ours */

/* Of this build: the major number, then minor and patch, half a byte each, as
 * libtorrent writes its own. */
void dht_version_own(uint8_t out[DHT_VERSION_BYTES]);

#define DHT_VERSION_TEXT (4 * DHT_VERSION_MAX + 1)

/* For people: "WR 0.1.0" or "LT 2.0.8" where the numbers are known to be
 * written like that, else what it has, bytes that print badly or would not do
 * in JSON or CSV as \x2a. At most DHT_VERSION_MAX bytes of it; empty for none.
 * Returns `out`. */
const char *dht_version_print(struct bytes version, char out[DHT_VERSION_TEXT]);

#endif
