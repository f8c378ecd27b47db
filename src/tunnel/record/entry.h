/* SPDX-License-Identifier: MIT
 *
 * What a member of a string leaves at an introduction point, which keeps it
 * without being able to read it:
 *
 *   entry  nonce 24 | XChaCha20-Poly1305(entry key, AAD: auth id 16 | relay 32
 *          | topic 32)([M 32, issued u32, flags], zeros behind, 41) | tag 16
 *
 * A copy at another relay or under another auth id is worth nothing, and a
 * false M neither: nobody but M's owner finishes the handshake.
 */
#ifndef WARREN_TUNNEL_RECORD_ENTRY_H
#define WARREN_TUNNEL_RECORD_ENTRY_H

#include "base/bytes.h"
#include "base/error.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/record/service_key.h"
#include "tunnel/record/topic.h"

#include <stdint.h>

#define ENTRY_NONCE_BYTES 24
#define ENTRY_BYTES       81
#define ENTRY_AGE         (2 * 3600) /* seconds; older ones are ignored */
#define ENTRY_SKEW        (2 * 3600) /* from now; later ones neither */
#define ENTRY_FLAGS_MAX   127

/* Where an entry lies: it opens nowhere else. */
struct entry_place {
    uint8_t auth_id[AUTH_ID_BYTES];
    uint8_t relay[32]; /* identity of the introduction point */
    uint8_t topic[TOPIC_BYTES];
};

struct entry {
    uint8_t member[NOISE_KEY_BYTES]; /* M */
    uint32_t issued;                 /* wall seconds */
    uint8_t flags; /* to ENTRY_FLAGS_MAX; none means anything yet */
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

#endif
