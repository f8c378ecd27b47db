/* SPDX-License-Identifier: MIT
 *
 * What a service publishes under its blinded key, as two BEP 44 items
 * (replica 0 with no salt, replica 1 with the salt 01): always 996 bytes, of
 * which only who knows the address can read more than the first.
 *
 *   value  bin: version 1 | nonce 24 | sealed 955 | tag 16
 *   key    BLAKE2b-256(key: credential, "warren descriptor" 00 | A' | p u32)
 *   sealed XChaCha20-Poly1305(key, AAD: version 1 | A' 32 | seq u64)
 *   text   [p, issued, lifetime, flags, work, [intro, ..6]], zeros behind it
 *   work   nil or [seed 16, effort, expires]
 *   intro  [target, auth id 16, service key 32]
 *
 * Times are wall seconds (u32), the lifetime minutes (u16), flags a number
 * below 256 of which no bit means anything yet. Introduction points come in
 * ascending order of their relay's identity, each relay once: a descriptor
 * that named one six times would make clients build circuits to it six times.
 * No introduction point at all: the service has been withdrawn.
 */
#ifndef WARREN_TUNNEL_RECORD_SERVICE_DESCRIPTOR_H
#define WARREN_TUNNEL_RECORD_SERVICE_DESCRIPTOR_H

#include "base/bytes.h"
#include "base/error.h"
#include "tunnel/record/blind.h"
#include "tunnel/record/relay_target.h"
#include "tunnel/record/service_key.h"
#include "tunnel/record/work.h"
#include "wire/item/value.h"

#include <stdbool.h>
#include <stdint.h>

#define SERVICE_REPLICAS         2
#define SERVICE_INTROS_MAX       6
#define SERVICE_DESCRIPTOR_BYTES 996
#define SERVICE_NONCE_BYTES      24

/* Minutes. */
#define SERVICE_LIFETIME           180
#define SERVICE_LIFETIME_WITHDRAWN 10
#define SERVICE_LIFETIME_MAX       1440

/* Seconds by which two clocks may differ, when each may be an hour off. */
#define SERVICE_SKEW 7200

struct service_intro {
    struct relay_target relay;
    uint8_t auth_id[AUTH_ID_BYTES];
    uint8_t service_key[NOISE_KEY_BYTES];
};

struct service_descriptor {
    uint32_t period;
    uint32_t issued;   /* wall seconds */
    uint16_t lifetime; /* minutes, 1 to SERVICE_LIFETIME_MAX */
    uint8_t flags;
    bool has_work;
    uint8_t work_seed[WORK_SEED_BYTES];
    uint32_t work_effort;  /* at least 1 */
    uint32_t work_expires; /* wall seconds: the seed is good until then */
    uint8_t intro_count;   /* 0: withdrawn */
    struct service_intro intros[SERVICE_INTROS_MAX];
};

/* One of the items, as the DHT carries it. */
struct service_item {
    int64_t seq; /* from 1 */
    uint8_t signature[BLIND_SIGNATURE_BYTES];
    struct value value;
};

/* What one has to know to open the items of a service in one period. */
struct service_view {
    uint8_t key[BLIND_KEY_BYTES]; /* A' */
    uint8_t credential[32];       /* secret */
    uint32_t period;
    bool testing; /* endpoints need not be global */
};

/* For a client, and for a service that reads its own. ERR_RANGE: no honest
 * key. */
enum error service_view_init(const char *network,
                             const struct service_name *name, uint32_t period,
                             bool testing, struct service_view *out);

/* The salt of a replica, below SERVICE_REPLICAS. */
struct bytes service_replica_salt(unsigned replica);

/* Seals `d`, whose period is the view's, and signs it for each replica: one
 * value, `seq` and nonce, two signatures. `key` is of the view's period; the
 * order of the introduction points does not matter, that no relay is twice
 * among them is the caller's to see to. ERR_SIGNATURE as of blind_sign. */
enum error service_descriptor_seal(const struct service_view *view,
                                   const struct blinded_key *key,
                                   const struct service_descriptor *d,
                                   int64_t seq,
                                   const uint8_t nonce[SERVICE_NONCE_BYTES],
                                   struct service_item out[SERVICE_REPLICAS]);

/* Verifies and opens an item found under the view's key and the salt of
 * `replica`. All is checked but the time.
 *   ERR_RANGE         seq below 1, or a number in the text
 *   ERR_WRONG_LENGTH  another length, or something behind the text
 *   ERR_UNSUPPORTED   another version
 *   ERR_SIGNATURE     not signed by the key, or not sealed for us
 *   ERR_UNEXPECTED    of another period
 *   ERR_TOO_LARGE     too many introduction points or endpoints
 *   ERR_UNSORTED      a relay twice, or out of order
 *   ERR_ADDRESS       an endpoint that nobody is to be sent to
 * and those of mp_parse and mp_reader. */
enum error service_descriptor_open(const struct service_view *view,
                                   unsigned replica,
                                   const struct service_item *item,
                                   struct service_descriptor *out);

/* ERR_FUTURE: issued over SERVICE_SKEW from now; ERR_EXPIRED: over for longer
 * than that. One that opens and has expired means that the service is down or
 * a clock wrong, not that there is none. */
enum error service_descriptor_check_time(const struct service_descriptor *d,
                                         uint64_t wall);

/* When it is over, without tolerance; wall seconds. */
uint64_t service_descriptor_expires(const struct service_descriptor *d);

/* The text inside, as the functions above write and read it: 955 bytes. */
#define SERVICE_TEXT_BYTES 955
void service_text_write(const struct service_descriptor *d,
                        uint8_t out[SERVICE_TEXT_BYTES]);
enum error service_text_read(const uint8_t text[SERVICE_TEXT_BYTES],
                             bool testing, struct service_descriptor *out);

#endif
