/* SPDX-License-Identifier: MIT
 *
 * The datagrams between neighbours that are not cells: the handshake of a
 * link, and the question for a descriptor. Each is a msgpack array whose
 * first element is the kind (a cell is kind 4, cell.h; half of one is kind 8,
 * part.h):
 *
 *   REFUSE  [0, index, version]                  INIT of an unknown version
 *   INIT    [1, version, index, noise1, mac1, mac2, pad]
 *   ACCEPT  [2, receiver, index, noise2]
 *   RETRY   [3, receiver, nonce, sealed cookie]  when the receiver is busy
 *   ASK     [5, version, network, nonce, pad]
 *   TELL    [6, nonce, descriptor]
 *   POKE    [7]                                  opens a NAT, and is ignored
 *   COOKIE  [9, nonce, cookie]                   instead of TELL, when busy
 *   UNKNOWN [10, receiver]                       a cell of no session of ours
 *
 * `index` is the session index by which the sender wants to be addressed,
 * `receiver` the one that the receiver chose. INIT and ASK are padded so that
 * what they bring about is never larger: nothing is amplified. The padding of
 * an ASK is zeros but for its beginning:
 *
 *   cookie    16   of the COOKIE that answered the one before
 *   wishes     1   bit 0: "ask me, too"
 *   length     1   of what follows: 6 or 18
 *   reached        the endpoint that the ASK is sent to, compact
 *
 * Cookies and MACs are those of WireGuard (Donenfeld, "WireGuard: Next
 * Generation Kernel Network Tunnel", section 5.4.4 and 5.4.7): mac1 shows
 * that the sender knows whom it talks to, mac2 that it can receive at its
 * source address. Both cover all that lies before mac1.
 */
#ifndef WARREN_TUNNEL_LINK_LINK_MESSAGE_H
#define WARREN_TUNNEL_LINK_LINK_MESSAGE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "tunnel/crypto/layout.h"
#include "tunnel/crypto/noise.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_MAC_BYTES      16
#define LINK_COOKIE_BYTES   16
#define LINK_NONCE_BYTES    24
#define LINK_SEALED_BYTES   (LINK_COOKIE_BYTES + NOISE_TAG_BYTES)
#define LINK_INIT_BYTES     256
#define LINK_ASK_BYTES      640
#define LINK_ASK_NONCE      8
#define LINK_ASK_BACK       1 /* of the wishes */
#define LINK_DESCRIPTOR_MAX 512
#define LINK_MESSAGE_MAX    LINK_ASK_BYTES

enum link_kind {
    LINK_REFUSE = 0,
    LINK_INIT = 1,
    LINK_ACCEPT = 2,
    LINK_RETRY = 3,
    LINK_CELL = 4,
    LINK_ASK = 5,
    LINK_TELL = 6,
    LINK_POKE = 7,
    LINK_PART = 8,
    LINK_COOKIE = 9,
    LINK_UNKNOWN = 10
};

/* One struct for reading and for writing; views point into the datagram. */
struct link_message {
    enum link_kind kind;
    uint64_t version;
    uint32_t index;       /* the sender's */
    uint32_t receiver;    /* ACCEPT, RETRY; REFUSE: the INIT's index; UNKNOWN:
                             the cell's */
    const uint8_t *noise; /* NOISE_OVERHEAD bytes */
    const uint8_t *mac1;  /* LINK_MAC_BYTES */
    const uint8_t *mac2;
    struct bytes maced;      /* INIT: all that the MACs cover */
    struct bytes nonce;      /* RETRY 24 bytes; ASK, TELL and COOKIE 8 */
    const uint8_t *sealed;   /* RETRY: LINK_SEALED_BYTES */
    struct bytes network;    /* ASK */
    struct endpoint reached; /* ASK: where it was sent; port 0: not said */
    bool ask_back;           /* ASK: the sender wants to be asked, too */
    struct bytes descriptor; /* TELL */
    const uint8_t *cookie;   /* COOKIE, ASK: LINK_COOKIE_BYTES; NULL: zeros */
};

/* Reads a datagram of any kind but CELL and PART. Of an INIT or ASK of another
 * version only kind, version and index are read. Besides the errors of mp_parse
 * and mp_reader: ERR_UNKNOWN_KIND, ERR_WRONG_LENGTH for an INIT or ASK that is
 * not padded as it must be. */
enum error link_message_read(struct bytes datagram, struct link_message *out);

/* Writes `m` and returns its length. For INIT, mac1 and mac2 are left zero
 * for link_message_set_macs, and `maced` of `m` is set. */
size_t link_message_write(struct link_message *m,
                          uint8_t out[LINK_MESSAGE_MAX]);

#endif
