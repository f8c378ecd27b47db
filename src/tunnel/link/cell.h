/* SPDX-License-Identifier: MIT
 *
 * The cell: what neighbours exchange once they have a link. One msgpack array
 * whose fields have fixed widths, so that it is read and written at constant
 * offsets:
 *
 *     offset  bytes           field
 *          0  95              array of 5
 *          1  04              kind: cell
 *          2  ce + 4          session index, chosen by the receiver
 *          7  cf + 8          counter of this session and direction, from 1
 *         16  c4 15 + 5 + 16  head, sealed: circuit index (4), type (1); tag
 *         39  c5 + 2 + body   body: CELL_LARGE_BODY or CELL_SMALL_BODY bytes
 *
 * One AEAD call protects all: the head is the plaintext, the body the
 * associated data; the index selects the key and the counter is the nonce, so
 * that they need no more. The body of a RELAY cell is onion ciphertext
 * already, but for the counter of its outermost layer, which would tell the
 * circuits of a link apart and how deep each is: it is masked, and so are the
 * places where it would be at the other depths, with a SipHash of the cell's
 * counter. The body of every other type is sealed. So all cells look alike.
 */
#ifndef WARREN_TUNNEL_LINK_CELL_H
#define WARREN_TUNNEL_LINK_CELL_H

#include "base/bytes.h"
#include "base/error.h"
#include "tunnel/crypto/noise.h"

#include <stddef.h>
#include <stdint.h>

#define CELL_KIND        4 /* second element of the family of datagrams */
#define CELL_HEAD_OFFSET 18
#define CELL_BODY_OFFSET 42
#define CELL_HEAD_BYTES  5

/* Body sizes: each is a layer's worth (24) above a multiple of 64, where
 * libsodium's ChaCha20 is fastest, for the first and costliest hop. */
#define CELL_LARGE_BODY 1368
#define CELL_SMALL_BODY 344
#define CELL_LARGE      (CELL_BODY_OFFSET + CELL_LARGE_BODY)
#define CELL_SMALL      (CELL_BODY_OFFSET + CELL_SMALL_BODY)
#define CELL_MAX        CELL_LARGE

#define CELL_MASK_KEY 16

/* What a link or control cell can carry: the body without its tag. */
#define CELL_TEXT_MAX (CELL_LARGE_BODY - NOISE_TAG_BYTES)

/* In the head. The first plane is between neighbours, the second is about one
 * circuit on a link, RELAY carries the onion. */
enum cell_type {
    CELL_PING = 0x01,
    CELL_PONG = 0x02,
    CELL_CLOSE = 0x03,
    CELL_REKEY = 0x04,
    CELL_REKEYED = 0x05,
    CELL_SAMPLE_ASK = 0x06,
    CELL_SAMPLE = 0x07,
    CELL_PUNCTURE = 0x08,
    CELL_PUNCTURED = 0x09,

    CELL_CREATE = 0x10,
    CELL_CREATED = 0x11,
    CELL_DESTROY = 0x12,

    CELL_RELAY = 0x20
};

struct cell_head {
    uint32_t circuit; /* the receiver's index; 0 for the link itself */
    uint8_t type; /* enum cell_type; unknown ones are the caller's to drop */
};

/* Keys of one direction of a session. Secret. */
struct cell_keys {
    uint8_t head[NOISE_KEY_BYTES];
    uint8_t body[NOISE_KEY_BYTES];
    uint8_t mask[CELL_MASK_KEY];
};

/* All from one key of the handshake (noise_split). */
void cell_keys_init(struct cell_keys *keys, const uint8_t key[NOISE_KEY_BYTES]);

/* The body length for a datagram of a cell's size, 0 for any other size. */
size_t cell_body_len(size_t datagram_len);

/* Session index and counter of a datagram that is laid out as a cell.
 * ERR_WRONG_LENGTH, ERR_NOT_MSGPACK. Nothing is authentic yet. */
enum error cell_peek(struct bytes datagram, uint32_t *session,
                     uint64_t *counter);

/* Opens the head of a datagram that cell_peek accepted. ERR_SIGNATURE. The
 * datagram is not changed. */
enum error cell_open(const struct cell_keys *keys, uint64_t counter,
                     struct bytes datagram, struct cell_head *head);

/* Puts header and sealed head around the body that lies at CELL_BODY_OFFSET
 * of `datagram`, which has `len` (CELL_LARGE or CELL_SMALL) bytes. */
void cell_seal(const struct cell_keys *keys, uint32_t session, uint64_t counter,
               const struct cell_head *head, uint8_t *datagram, size_t len);

/* Seals and opens a body that is not onion ciphertext, in place; before
 * cell_seal and after cell_open. The text has the body's length without the
 * tag. ERR_SIGNATURE. */
void cell_seal_body(const struct cell_keys *keys, uint64_t counter,
                    uint8_t *datagram, size_t len);
enum error cell_open_body(const struct cell_keys *keys, uint64_t counter,
                          uint8_t *datagram, size_t len);

/* Masks the counters in a RELAY cell's body, in place, or takes the mask off
 * again; before cell_seal and after cell_open. */
void cell_mask(const struct cell_keys *keys, uint64_t counter,
               uint8_t *datagram, size_t len);

#endif
