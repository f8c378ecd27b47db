/* SPDX-License-Identifier: MIT
 *
 * What a relay says of itself, signed by its identity and good for a while:
 *
 *   descriptor  [body bin, signature bin 64]       at most DESCRIPTOR_MAX bytes
 *   body        [version, network, identity bin 32, handshake key bin 32,
 *                issued, expires, roles, [address bin 6 or 18, ...],
 *                exit policy, bandwidth, family bin 0 or 32, TCP policy]
 *
 * All in the shortest msgpack; `issued` and `expires` are wall seconds (Unix
 * time), `roles` are bits, the addresses (1 to 4) compact endpoints, the exit
 * policy a summary in text, the bandwidth a limit in kB/s with 0 for none,
 * and relays that name the same family say that they have one operator. The
 * TCP policy, a summary too, is there only at an exit of streams. What comes
 * behind it in the body is not read: who does not know it goes without.
 *
 * The signature (Ed25519) covers the text "warren descriptor", a zero byte
 * and the body, so that it means nothing as that of a DHT item, which the
 * same key signs.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DESCRIPTOR_H
#define WARREN_TUNNEL_DIRECTORY_DESCRIPTOR_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/link/link_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DESCRIPTOR_MAX           LINK_DESCRIPTOR_MAX
#define DESCRIPTOR_ADDRESSES_MAX 4
#define DESCRIPTOR_POLICY_MAX    128
#define DESCRIPTOR_TCP_MAX       64 /* what is left beside the longest others */

/* Wall seconds. */
#define DESCRIPTOR_LIFETIME     (24 * 3600) /* of ours */
#define DESCRIPTOR_LIFETIME_MAX (3 * 24 * 3600)
#define DESCRIPTOR_SKEW         3600 /* by which clocks may differ */

enum descriptor_role {
    ROLE_RELAY = 1,
    ROLE_EXIT = 2,
    ROLE_SPEED_TEST = 4,
    ROLE_MEETING = 8 /* introduces, joins and looks up for hidden services */
};
#define ROLES_ALL (ROLE_RELAY | ROLE_EXIT | ROLE_SPEED_TEST | ROLE_MEETING)

struct descriptor {
    uint8_t identity[32];
    uint8_t handshake_key[NOISE_KEY_BYTES];
    uint64_t issued, expires; /* wall seconds */
    uint32_t bandwidth;       /* kB/s; 0: no limit */
    uint8_t roles;            /* bits of enum descriptor_role */
    bool has_family;
    uint8_t address_count;
    uint8_t exit_policy_len;
    uint8_t tcp_policy_len; /* 0: no streams leave there */
    uint8_t family[32];
    struct endpoint addresses[DESCRIPTOR_ADDRESSES_MAX];
    uint8_t exit_policy[DESCRIPTOR_POLICY_MAX];
    uint8_t tcp_policy[DESCRIPTOR_TCP_MAX];
};

/* Writes and signs with a libsodium Ed25519 secret key (64 bytes), whose
 * public half is d->identity; returns the length. Everything of `d` is
 * within the limits above: that is the caller's to see to. */
size_t descriptor_write(const struct descriptor *d, const char *network,
                        const uint8_t secret[64], uint8_t out[DESCRIPTOR_MAX]);

/* Reads; nothing is authentic yet. Roles that are not known here are left
 * out. Errors of mp_parse and mp_reader, and
 *   ERR_TOO_LARGE     over DESCRIPTOR_MAX, too many addresses
 *   ERR_WRONG_LENGTH  a field's length, or not the shortest msgpack
 *   ERR_UNSUPPORTED   another version: nothing after it was read
 *   ERR_NETWORK       of another network
 *   ERR_MISSING       no address, or fewer elements
 *   ERR_ADDRESS       one that cannot be sent to
 *   ERR_SYNTAX        a policy with other than printable ASCII
 *   ERR_RANGE         expires before it is issued, or lives for too long */
enum error descriptor_read(struct bytes text, const char *network,
                           struct descriptor *out);

/* ERR_FUTURE, ERR_EXPIRED; both with DESCRIPTOR_SKEW of tolerance. */
enum error descriptor_check_time(const struct descriptor *d, uint64_t wall);

/* The signature of a text that descriptor_read took, after all that is cheap
 * to check. ERR_SIGNATURE. */
enum error descriptor_verify(struct bytes text, const struct descriptor *d);

/* The policies as views of `d`. */
struct bytes descriptor_exit_policy(const struct descriptor *d);
struct bytes descriptor_tcp_policy(const struct descriptor *d);

#endif
