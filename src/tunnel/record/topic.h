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
 *
 * A member leaves an entry at an introduction point, which keeps it without
 * being able to read it:
 *
 *   entry  nonce 24 | XChaCha20-Poly1305(entry key, AAD: auth id 16 | relay 32
 *          | topic 32)([M 32, issued u32, flags], zeros behind, 41) | tag 16
 *
 * A copy at another relay or under another auth id is worth nothing, and a
 * false M neither: nobody but M's owner finishes the handshake.
 *
 * Who opens a channel proves that a member is theirs with
 *
 *   mac = BLAKE2b-128(key: X25519(m_i, M_r), "warren member" 00 | M_i | M_r |
 *                     e 32)
 *
 * where e is the initiator's key of this very handshake.
 */
#ifndef WARREN_TUNNEL_RECORD_TOPIC_H
#define WARREN_TUNNEL_RECORD_TOPIC_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/id.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/record/service_key.h"

#include <stdint.h>

#define TOPIC_STRING_MAX 255
#define TOPIC_BYTES      32
#define TOPIC_REPLICAS   2

#define ENTRY_NONCE_BYTES 24
#define ENTRY_BYTES       81
#define ENTRY_AGE         (2 * 3600) /* seconds; older ones are ignored */
#define ENTRY_SKEW        (2 * 3600) /* from now; later ones neither */

#define ENTRY_FLAGS_MAX 127

#define MEMBER_MAC_BYTES 16

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

/* Where an entry lies: it opens nowhere else. */
struct entry_place {
    uint8_t auth_id[AUTH_ID_BYTES];
    uint8_t relay[32]; /* identity of the introduction point */
    uint8_t topic[TOPIC_BYTES];
};

struct entry {
    uint8_t member[NOISE_KEY_BYTES]; /* M */
    uint32_t issued;                 /* wall seconds */
    uint8_t flags;                   /* below 128; no bit means anything yet */
};

void entry_seal(const uint8_t entry_key[32], const struct entry_place *place,
                const struct entry *e, const uint8_t nonce[ENTRY_NONCE_BYTES],
                uint8_t out[ENTRY_BYTES]);

/* ERR_WRONG_LENGTH, ERR_SIGNATURE (forged, or copied from elsewhere), and
 * those of mp_parse and mp_reader. */
enum error entry_open(const uint8_t entry_key[32],
                      const struct entry_place *place, struct bytes sealed,
                      struct entry *out);

/* ERR_EXPIRED, ERR_FUTURE. */
enum error entry_check_time(const struct entry *e, uint64_t wall);

/* The opener, who is M_i, makes it; ERR_RANGE: the other is of low order. */
enum error member_prove(const uint8_t secret[NOISE_KEY_BYTES],
                        const uint8_t own[NOISE_KEY_BYTES],
                        const uint8_t other[NOISE_KEY_BYTES],
                        const uint8_t e[NOISE_KEY_BYTES],
                        uint8_t mac[MEMBER_MAC_BYTES]);
/* The responder, who is M_r, checks that `other` made it. ERR_RANGE as above,
 * ERR_SIGNATURE. */
enum error member_check(const uint8_t secret[NOISE_KEY_BYTES],
                        const uint8_t own[NOISE_KEY_BYTES],
                        const uint8_t other[NOISE_KEY_BYTES],
                        const uint8_t e[NOISE_KEY_BYTES],
                        const uint8_t mac[MEMBER_MAC_BYTES]);

#endif
