/* SPDX-License-Identifier: MIT
 *
 * What the two ends of a channel say to each other inside the end layer. Each
 * message is a msgpack array whose first element is its type, padded with
 * zeros to the text of a small cell, or of a large one if it is too long:
 *
 *                                                   said by    bytes
 *  1 HELLO  nonce                                   opener     3..11
 *  2 DATA   port, payload (<= 1,232)                both       5..1,240
 *  3 PIECE  id, index, count, bytes (1..1,216)      both       8..1,226
 *  4 PING   nonce                                   both       3..11
 *  5 PONG   nonce, of a HELLO or PING               both       3..11
 *  6 MOVE   cookie 16, noise1 448                   opener     471
 *  7 MOVED  cookie 16, reason                       responder  21
 *  8 CLOSE  reason                                  both       3
 * 64 PACKET_IN   packet (1..1,232), to the acceptor both       5..1,237
 * 65 PACKET_BACK packet, to the opener of streams   both       5..1,237
 *
 * A DATA message that is too long is cut as it is, with its head, into pieces
 * of 1,216 bytes and a last one (piece.h). Where to meet is inside of noise1
 * (service/invitation.h). Packets are those of streams (stream/stream.h),
 * either end of which may have opened a connection.
 */
#ifndef WARREN_TUNNEL_CHANNEL_END_MESSAGE_H
#define WARREN_TUNNEL_CHANNEL_END_MESSAGE_H

#include "base/bytes.h"
#include "base/error.h"
#include "tunnel/circuit/piece.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/link/reason.h"
#include "tunnel/meeting/meeting_message.h"

#include <stddef.h>
#include <stdint.h>

#define END_DATA_OVERHEAD 8    /* of DATA in its longest encoding */
#define END_PAYLOAD_CELL  1232 /* bytes of DATA that one cell carries */
#define END_PAYLOAD_MAX   9600 /* in pieces */
#define END_PACKET_MAX    1232
#define END_DATA_MAX      (END_PAYLOAD_MAX + END_DATA_OVERHEAD)
#define END_MOVE_MAX      (23 + MEETING_NOISE1_BYTES)

enum end_message_type {
    END_HELLO = 1,
    END_DATA = 2,
    END_PIECE = 3,
    END_PING = 4,
    END_PONG = 5,
    END_MOVE = 6,
    END_MOVED = 7,
    END_CLOSE = 8,
    END_PACKET_IN = 64,
    END_PACKET_BACK = 65
};

/* One struct for reading and for writing; views point into the text. */
struct end_message {
    enum end_message_type type;
    uint64_t nonce;        /* HELLO, PING, PONG */
    uint16_t port;         /* DATA */
    struct bytes payload;  /* DATA, PACKET_IN, PACKET_BACK */
    struct piece piece;    /* PIECE */
    const uint8_t *cookie; /* MOVE, MOVED: MEETING_COOKIE_BYTES */
    struct bytes noise1;   /* MOVE */
    enum reason reason;    /* MOVED, CLOSE */
};

/* Reads the message at the beginning of `text`; what lies behind it must be
 * zeros. Besides the errors of mp_parse and mp_reader: ERR_UNKNOWN_KIND,
 * ERR_TRAILING. */
enum error end_message_read(struct bytes text, struct end_message *out);

/* Writes `m`; ERR_NO_SPACE when it takes more than `cap` bytes. */
enum error end_message_write(const struct end_message *m, uint8_t *out,
                             size_t cap, size_t *len);

#endif
