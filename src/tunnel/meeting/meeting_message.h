/* SPDX-License-Identifier: MIT
 *
 * What is said about services inside the onion, between whoever is at the end
 * of a circuit (the client: a service, a member of a topic, or somebody who
 * looks for one) and the last hop (the relay). Each message is a msgpack array
 * whose first element is its type, padded with zeros; it has as many elements
 * as the table says and lies in a cell of one size, S small or L large:
 *
 *                                                             said by  cell
 * 16 INTRO_ESTABLISH    auth key 32, rate, burst, topic 0 or 32,
 *                       entry 0 or 81, signature 64           client   L
 * 17 INTRO_ESTABLISHED  status                                relay    S
 * 18 INTRODUCE          auth id 16, work, noise1 448          client   L
 * 19 INTRODUCE_ACK      status, effort                        relay    S
 * 20 INTRODUCED         handle, auth id 16, work, noise1 448  relay    L
 * 21 INTRO_RESULT       handle, status, effort                client   S
 * 22 RENDEZVOUS         cookie 16                             client   S
 * 23 READY              cookie 16                             relay    S
 * 24 JOIN               cookie 16, noise2 64                  client   S
 * 25 JOINED             noise2 64, or 0 for who said JOIN     relay    S
 * 26 MEMBERS_ASK        topic 32                              client   S
 * 27 MEMBERS            total, [[auth id 16, entry 81], ..8], [target, ..4]
 *                                                             relay    L
 * 28 DHT_GET            id, key, salt                         client   L
 * 29 DHT_PEERS          id, [endpoint, ..32]                  relay    L
 * 30 DHT_ITEM           id, seq, signature 64, value 996      relay    L
 * 31 DHT_PUT            id, key 32, salt, seq, signature 64, value 996
 *                                                             client   L
 * 32 DHT_DONE           id, reason, asked, answered, stored   relay    L
 * 33 RELAY_ASK          id, endpoint                          client   S
 * 34 RELAY_TOLD         id, descriptor 0..512                 relay    L
 *
 * Numbers have 32 bits, but for rate and burst with 16, and seq with 63 and a
 * sign. `work` is nil or [hint 4, effort, nonce 8, digest 16]. The key of a
 * DHT_GET is a hash of 20 bytes (peers are looked for) or a key of 32 (an
 * item). A target is how a relay is reached (record/relay_target.h); whether
 * its endpoints are global is the client's to see to. A descriptor is what a
 * relay says of itself, signed; empty when none can be had. A value is the byte
 * string that every service puts, always of the same length.
 *
 * Where a request has no answer of its own to refuse with, circuit_message.h's
 * FAILED [attempt 0, reason] says why.
 */
#ifndef WARREN_TUNNEL_MEETING_MEETING_MESSAGE_H
#define WARREN_TUNNEL_MEETING_MEETING_MESSAGE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "tunnel/link/reason.h"
#include "tunnel/record/relay_target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEETING_AUTH_ID_BYTES  16
#define MEETING_COOKIE_BYTES   16
#define MEETING_ENTRY_BYTES    81
#define MEETING_NOISE1_BYTES   448
#define MEETING_NOISE2_BYTES   64
#define MEETING_VALUE_BYTES    996
#define MEETING_DESCRIPTOR_MAX 512
#define MEETING_SALT_MAX       64
#define MEETING_MEMBERS_MAX    8
#define MEETING_TARGETS_MAX    4
#define MEETING_PEERS_MAX      32

enum meeting_message_type {
    MEETING_INTRO_ESTABLISH = 16,
    MEETING_INTRO_ESTABLISHED = 17,
    MEETING_INTRODUCE = 18,
    MEETING_INTRODUCE_ACK = 19,
    MEETING_INTRODUCED = 20,
    MEETING_INTRO_RESULT = 21,
    MEETING_RENDEZVOUS = 22,
    MEETING_READY = 23,
    MEETING_JOIN = 24,
    MEETING_JOINED = 25,
    MEETING_MEMBERS_ASK = 26,
    MEETING_MEMBERS = 27,
    MEETING_DHT_GET = 28,
    MEETING_DHT_PEERS = 29,
    MEETING_DHT_ITEM = 30,
    MEETING_DHT_PUT = 31,
    MEETING_DHT_DONE = 32,
    MEETING_RELAY_ASK = 33,
    MEETING_RELAY_TOLD = 34
};

/* What became of an introduction point, or of an introduction. A number that
 * is not listed is read as MEETING_REFUSED. */
enum meeting_status {
    MEETING_TAKEN = 0,    /* the point stands; the service is coming */
    MEETING_REFUSED = 1,  /* by the service or the relay, and no word why */
    MEETING_BUSY = 2,     /* later, or with work of this effort */
    MEETING_UNKNOWN = 3,  /* the relay has no point of this id */
    MEETING_REPLACED = 4, /* a newer circuit has the point's key */
    MEETING_FULL = 5,     /* a cap of the relay is reached */
    MEETING_AGAIN = 6,    /* the service has restarted: say it again, with
                             the time that is in `effort` (service/gate.h) */
    MEETING_STATUS_END_
};

/* A name for metrics and JSON. */
const char *meeting_status_name(enum meeting_status s);

struct meeting_work {
    uint8_t hint[4]; /* of the seed that it is for (record/work.h) */
    uint32_t effort;
    uint8_t nonce[8];
    uint8_t digest[16];
};

struct meeting_member {
    const uint8_t *auth_id;
    const uint8_t *entry;
};

/* One struct for reading and for writing; views point into the text. */
struct meeting_message {
    enum meeting_message_type type;
    enum meeting_status status; /* ESTABLISHED, ACK, RESULT */
    uint32_t effort;            /* ACK, RESULT: that would be enough; or 0 */
    uint32_t handle;            /* INTRODUCED, RESULT */

    const uint8_t *auth_key;  /* ESTABLISH */
    uint16_t rate, burst;     /* ESTABLISH: introductions a second; 0: as
                                 the relay thinks best */
    const uint8_t *topic;     /* ESTABLISH: may be NULL; MEMBERS_ASK */
    const uint8_t *entry;     /* ESTABLISH: with a topic, else NULL */
    const uint8_t *signature; /* ESTABLISH, DHT_ITEM, DHT_PUT */

    const uint8_t *auth_id; /* INTRODUCE, INTRODUCED */
    bool has_work;          /* likewise */
    struct meeting_work work;
    const uint8_t *cookie; /* RENDEZVOUS, READY, JOIN */
    struct bytes noise;    /* noise1 or noise2 */

    uint32_t total; /* MEMBERS: that the relay knows of */
    uint8_t member_count, target_count;
    struct meeting_member members[MEETING_MEMBERS_MAX];
    struct relay_target targets[MEETING_TARGETS_MAX];

    uint32_t id;      /* DHT_*, RELAY_*: chosen by the client */
    struct bytes key; /* DHT_GET: 20 or 32; DHT_PUT: 32 */
    struct bytes salt;
    int64_t seq;
    const uint8_t *value;
    uint8_t peer_count; /* DHT_PEERS */
    struct endpoint peers[MEETING_PEERS_MAX];
    enum reason reason;               /* DHT_DONE; UNKNOWN: it is done */
    uint32_t asked, answered, stored; /* DHT_DONE: nodes */
    struct endpoint ep;               /* RELAY_ASK */
    struct bytes descriptor;          /* RELAY_TOLD */
};

/* Reads the message in `text`, which is all that the cell had: it has the
 * length that a cell of this type gives, and what lies behind the message is
 * zeros. Besides the errors of mp_parse and mp_reader: ERR_UNKNOWN_KIND,
 * ERR_WRONG_LENGTH (the other cell), ERR_TRAILING. */
enum error meeting_message_read(struct bytes text, struct meeting_message *out);

/* Writes `m`; ERR_NO_SPACE when it takes more than `cap` bytes. One within the
 * limits above fits its cell, that is onion_message_len. */
enum error meeting_message_write(const struct meeting_message *m, uint8_t *out,
                                 size_t cap, size_t *len);

/* CELL_SMALL or CELL_LARGE. */
size_t meeting_message_cell(enum meeting_message_type type);

/* Who may say it. */
bool meeting_client_says(enum meeting_message_type type);
bool meeting_relay_says(enum meeting_message_type type);

/* What the signature of an INTRO_ESTABLISH covers: the text "warren
 * establish", a zero byte, the first 32 bytes of the transcript of the
 * handshake with this hop (both ends of the circuit have it, and no other
 * circuit has the same), and the msgpack array of the six elements before the
 * signature. So it is worth nothing on another circuit or to another relay.
 * Returns the length. */
#define MEETING_TRANSCRIPT_BYTES 32
#define MEETING_SIGNED_MAX       (17 + MEETING_TRANSCRIPT_BYTES + 159)
size_t meeting_signed_bytes(const struct meeting_message *m,
                            const uint8_t transcript[MEETING_TRANSCRIPT_BYTES],
                            uint8_t out[MEETING_SIGNED_MAX]);

#endif
