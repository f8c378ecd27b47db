/* SPDX-License-Identifier: MIT
 *
 * What a client and a hop say to each other inside the onion. Each message is
 * a msgpack array whose first element is its type, padded with zeros:
 *
 *  1 EXTEND    attempt, identity, handshake key, endpoint, noise1
 *  2 EXTENDED  attempt, noise2
 *  3 FAILED    attempt, reason       of an EXTEND; or what it led to is gone
 *  4 DATA      destination, payload  client to exit
 *              source, payload       exit to client
 *  5 PIECE     id, index, count, bytes  of a DATA message that is too long
 *  6 PING      nonce
 *  7 PONG      nonce
 *  8 DESTROY   reason                client to hop
 *  9 TEST      nonce, pad
 * 10 TESTED    nonce, pad            never longer than its TEST
 * 64 PACKET_IN   packet              client to exit, of streams
 * 65 PACKET_BACK packet              exit to client
 *
 * A destination is an endpoint in its compact form (bin) or [name, port]; an
 * endpoint is always compact. Types 16 to 63 belong to hidden services: whoever
 * serves those reads and writes them, circuits pass them on as they are.
 * Packets are those of stream/stream.h.
 */
#ifndef WARREN_TUNNEL_CIRCUIT_CIRCUIT_MESSAGE_H
#define WARREN_TUNNEL_CIRCUIT_CIRCUIT_MESSAGE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "tunnel/crypto/layout.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/link/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIRCUIT_PAYLOAD_MAX 9728 /* of DATA, when it comes in pieces */
#define CIRCUIT_NAME_MAX    253  /* bytes of a host name, RFC 1035 */
#define CIRCUIT_PACKET_MAX  1232

/* Types of messages that belong to services. */
#define CIRCUIT_SERVICE_FIRST 16
#define CIRCUIT_SERVICE_LAST  63

enum circuit_message_type {
    CIRCUIT_EXTEND = 1,
    CIRCUIT_EXTENDED = 2,
    CIRCUIT_FAILED = 3,
    CIRCUIT_DATA = 4,
    CIRCUIT_PIECE = 5,
    CIRCUIT_PING = 6,
    CIRCUIT_PONG = 7,
    CIRCUIT_DESTROY = 8,
    CIRCUIT_TEST = 9,
    CIRCUIT_TESTED = 10,
    CIRCUIT_PACKET_IN = 64,
    CIRCUIT_PACKET_BACK = 65
};

/* One struct for reading and for writing; views point into the text. */
struct circuit_message {
    enum circuit_message_type type;
    uint8_t attempt; /* EXTEND and answers to it, from 1; 0: about DATA */
    const uint8_t *identity;      /* EXTEND: 32 */
    const uint8_t *handshake_key; /* EXTEND: 32 */
    struct endpoint ep;           /* EXTEND, DATA without a name */
    struct bytes noise;           /* EXTEND: 50, EXTENDED: 48 */
    enum reason reason;           /* FAILED, DESTROY */
    struct bytes name;            /* DATA: empty for an endpoint */
    uint16_t port;                /* DATA with a name */
    struct bytes payload; /* DATA, PIECE, PACKETs; TEST, TESTED: padding */
    uint64_t nonce;       /* PING, PONG, TEST, TESTED */
    uint16_t piece_id;
    uint8_t piece_index, piece_count;
};

/* Reads the message at the beginning of `text`; what lies behind it must be
 * zeros. Besides the errors of mp_parse and mp_reader: ERR_UNKNOWN_KIND. */
enum error circuit_message_read(struct bytes text, struct circuit_message *out);

/* Whether the text begins as a message of services does: with an array of 1 to
 * 15 elements, the first a number from 16 to 63 in one byte. The rest is looked
 * at by whoever reads it. */
bool circuit_message_is_service(struct bytes text);

/* Writes `m`; ERR_NO_SPACE when it takes more than `cap` bytes. */
enum error circuit_message_write(const struct circuit_message *m, uint8_t *out,
                                 size_t cap, size_t *len);

#endif
