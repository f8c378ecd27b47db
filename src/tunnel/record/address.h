/* SPDX-License-Identifier: MIT
 *
 * Addresses of services with a key, as people write them:
 *
 *   base32(A 32 | checksum 2 | version 1)            56 characters, ".warren"
 *   checksum = BLAKE2b-256("warren address" 00 | network | A | version)[0..2]
 *
 * in the lower case of RFC 4648; either case is read, and labels before it
 * ("www.<56>.warren") mean nothing. The checksum names the network, so that an
 * address of another one is refused before anything is sent.
 */
#ifndef WARREN_TUNNEL_RECORD_ADDRESS_H
#define WARREN_TUNNEL_RECORD_ADDRESS_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_VERSION   1
#define ADDRESS_SUFFIX    ".warren"
#define ADDRESS_CHARS     56
#define ADDRESS_TEXT_SIZE (ADDRESS_CHARS + sizeof(ADDRESS_SUFFIX))

/* Whether a text is meant as an address: it ends in ".warren". */
bool address_is(struct bytes text);

/* The key, checked as blind_check_key does.
 *   ERR_MISSING       does not end in ".warren"
 *   ERR_WRONG_LENGTH  other than 56 characters in the last label before it
 *   ERR_SYNTAX        a character that is not of base32
 *   ERR_NETWORK       the checksum: of another network, or mistyped
 *   ERR_UNSUPPORTED   of another version
 *   ERR_RANGE         a key that no service has */
enum error address_read(const char *network, struct bytes text,
                        uint8_t key[32]);

/* What is wrong, for people: "an address has 56 characters before .warren". */
const char *address_error_text(enum error e);

/* Writes into `text`, which is also returned. */
const char *address_print(const char *network, const uint8_t key[32],
                          char text[ADDRESS_TEXT_SIZE]);

#endif
