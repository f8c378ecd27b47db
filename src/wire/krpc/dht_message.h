/* SPDX-License-Identifier: MIT
 *
 * Every message of the DHT, laid out here and nowhere else: KRPC (BEP 5) with
 * its extensions, a msgpack map instead of a bencoded dictionary. The keys,
 * and the compact forms inside, are those of KRPC:
 *
 *   top level   t  transaction, 1..16 bytes, echoed exactly
 *               y  "q" query, "r" response, "e" error
 *               q  method name                             (queries)
 *               a  arguments, r  results                   (maps)
 *               e  [code, text]                            (errors)
 *               v  version of the sender, 8 bytes are read (optional)
 *               ro 1 when the sender is read-only, BEP 43  (queries)
 *               ip the receiver as the sender sees it, compact, BEP 42
 *                                                          (responses)
 *               n  network name; absent means "main"
 *   a and r     id, target, info_hash, port, implied_port, token, want,
 *               nodes, nodes6, values, k, v, sig, seq, cas, salt,
 *               interval, num, samples, pad (zeros, for a longer answer)
 *               BFpe, BFsd, noseed, scrape, seed (BEP 33)
 *
 * Keys are str, read from str or bin. Method, kind, want, error text and the
 * network name are written as str, all other byte strings as bin; both are
 * read. Unknown keys are skipped.
 */
#ifndef WARREN_WIRE_KRPC_DHT_MESSAGE_H
#define WARREN_WIRE_KRPC_DHT_MESSAGE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "wire/item/item_signing.h"
#include "wire/item/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHT_MESSAGE_MAX     1280 /* bytes of a datagram of ours, but for put: */
#define DHT_PUT_MAX         1400 /* bencode, names of networks, long tokens */
#define DHT_TRANSACTION_MAX 16
#define DHT_TOKEN_BYTES     8   /* ours */
#define DHT_TOKEN_MAX       64  /* theirs, echoed by us */
#define DHT_VALUES_MAX      128 /* peers that are read from one message */
#define DHT_NODES_MAX       16  /* compact nodes written or read, a family */
#define DHT_SAMPLES_MAX     50
#define DHT_NETWORK_MAX     32
#define DHT_ERROR_TEXT_MAX  64
#define DHT_VERSION_MAX     8
#define DHT_INTERVAL_MAX    21600 /* seconds, BEP 51 */
#define DHT_KEYS_MAX        64    /* read from one map, known or not */
#define COMPACT_NODE4       26    /* id and compact endpoint */
#define COMPACT_NODE6       38
#define DHT_KEY_BYTES       32 /* Ed25519 */
#define DHT_SIGNATURE_BYTES 64
#define DHT_BLOOM_BYTES     256 /* BEP 33 */

/* How a message is encoded. The tables are the same. */
enum dht_dialect {
    DHT_DIALECT_WARREN,  /* msgpack */
    DHT_DIALECT_MAINLINE /* bencode, as in BEP 5: the mainline DHT */
};

enum dht_kind { DHT_QUERY, DHT_RESPONSE, DHT_ERROR };

enum dht_method {
    DHT_PING,
    DHT_FIND_NODE,
    DHT_GET_PEERS,
    DHT_ANNOUNCE_PEER,
    DHT_GET,
    DHT_PUT,
    DHT_SAMPLE_INFOHASHES,
    DHT_UNKNOWN_METHOD /* carried a target: answered like find_node */
};
#define DHT_METHODS (DHT_UNKNOWN_METHOD + 1)

/* KRPC error codes, BEP 5 and BEP 44. */
enum dht_error_code {
    DHT_ERROR_GENERIC = 201,
    DHT_ERROR_SERVER = 202,
    DHT_ERROR_PROTOCOL = 203,
    DHT_ERROR_METHOD = 204,
    DHT_ERROR_TOO_LARGE = 205,
    DHT_ERROR_SIGNATURE = 206,
    DHT_ERROR_SALT = 207,
    DHT_ERROR_CAS = 301,
    DHT_ERROR_SEQ = 302
};

/* Which optional fields are there. */
enum dht_field {
    DHT_HAS_TARGET = 1 << 0, /* target or info_hash */
    DHT_HAS_PORT = 1 << 1,
    DHT_HAS_TOKEN = 1 << 2,
    DHT_HAS_NODES = 1 << 3,
    DHT_HAS_NODES6 = 1 << 4,
    DHT_HAS_VALUES = 1 << 5,
    DHT_HAS_IP = 1 << 6,
    DHT_HAS_VALUE = 1 << 7, /* v of an item */
    DHT_HAS_KEY = 1 << 8,
    DHT_HAS_SIGNATURE = 1 << 9,
    DHT_HAS_SEQ = 1 << 10,
    DHT_HAS_CAS = 1 << 11,
    DHT_HAS_SALT = 1 << 12,
    DHT_HAS_INTERVAL = 1 << 13,
    DHT_HAS_NUM = 1 << 14,
    DHT_HAS_SAMPLES = 1 << 15,
    DHT_HAS_WANT = 1 << 16,
    DHT_HAS_ID = 1 << 17,
    DHT_HAS_PEER_BLOOM = 1 << 18,
    DHT_HAS_SEED_BLOOM = 1 << 19
};

/* One struct for reading and for writing. Views point into the datagram that
 * was read, or into what the writer's caller owns. About 4 KB, most of it
 * untouched unless used: initialize with dht_message_init, not with = {0}.
 * What `has` has no bit for is there when it is not empty or not false. */
struct dht_message {
    enum dht_kind kind;
    enum dht_method method; /* of queries */
    uint32_t has;           /* enum dht_field */
    struct bytes transaction;
    struct bytes version;
    struct bytes network; /* empty: "main", which is never in here */
    bool read_only;
    bool implied_port;
    bool seed;           /* announce_peer: has all of it, BEP 33 */
    bool no_seed;        /* get_peers: only those who have not */
    bool scrape;         /* get_peers: the Bloom filters, please */
    bool want[FAMILIES]; /* BEP 32: "n4", "n6" */
    uint16_t port;
    struct id id;     /* of the sender */
    struct id target; /* target or info_hash, as the method names it */
    struct bytes token;
    struct bytes nodes;   /* 26 bytes each, at most DHT_NODES_MAX */
    struct bytes nodes6;  /* 38 bytes each */
    struct bytes samples; /* 20 bytes each */
    uint32_t interval;    /* seconds, 0..21600 */
    uint32_t num;
    struct endpoint ip;
    const uint8_t *key;        /* Ed25519 public key, 32 bytes */
    const uint8_t *signature;  /* 64 bytes */
    const uint8_t *peer_bloom; /* 256 bytes, BEP 33: of who has not all of it */
    const uint8_t *seed_bloom; /* and of seeds */
    int64_t seq;
    int64_t cas;
    struct bytes salt;
    struct bytes padding; /* of a query; what is in it does not matter */
    uint32_t error_code;
    struct bytes error_text;
    size_t value_count;
    /* Not touched by dht_message_init: */
    struct endpoint values[DHT_VALUES_MAX];
    struct value value;
};

void dht_message_init(struct dht_message *m, enum dht_kind kind);

/* Reads one datagram. Besides the errors of mp_parse or be_parse, of mp_reader
 * and of value_read or value_read_bencoded:
 * ERR_MISSING a field that this kind and method must have is absent: t and y
 * always, q and a.id of a query, r.id of a response, e of an error, and of
 * queries
 *     find_node          target          get                target
 *     get_peers          info_hash       sample_infohashes  target
 *     announce_peer      info_hash, token, and port or implied_port
 *     put                token, v; with k also sig and seq
 * ERR_WRONG_LENGTH nodes not a multiple of 26, nodes6 of 38, samples of 20,
 * an id not of 20, k not of 32, sig not of 64, ip not of 6 or 18 bytes, t, n,
 * token not within their limits; ERR_SALT a salt that is too long.
 * ERR_RANGE port over 65535, interval over 21600, num over 32 bits.
 * ERR_UNKNOWN_KIND y is none of the three, or another method without target
 * and info_hash.
 * ERR_TOO_LARGE more than DHT_KEYS_MAX keys in a map, or the v of an item.
 * ERR_REPEATED a key of the tables is there twice in one map, of whatever kind
 * of message; unknown keys may repeat.
 *
 * More than DHT_NODES_MAX nodes, DHT_VALUES_MAX values or DHT_SAMPLES_MAX
 * samples are cut, as are an error text and a version; elements of `values`
 * that are no compact peer, unknown families in `want`, and `values` that is no
 * array are skipped. Of the mainline DHT an `e` of any form is taken, as
 * DHT_ERROR_GENERIC when it has no code, and an `ip` of another length is
 * skipped. Of a response everything that is present is read; which fields it
 * must have depends on the question, which only the asker knows.
 *
 * On failure `out` is undefined, but for this: when transaction.len > 0, the
 * top level was good, and kind, transaction, version, network, and method of
 * a query are valid, so that it can be answered with an error. */
enum error dht_message_read(enum dht_dialect dialect, struct bytes datagram,
                            struct dht_message *out);

/* Takes the next node off the front of compact nodes (26 or 38 bytes each);
 * those whose endpoint cannot be are passed over. False: there is none left. */
bool dht_message_next_node(struct bytes *nodes, enum family f, struct id *id,
                           struct endpoint *ep);

/* Writes `m` into `buf`; ERR_NO_SPACE when it does not fit `cap`. Keys are
 * written in ascending order at each level, so that the transcription to
 * bencode is canonical. Lengths and counts in `m` are within the limits
 * above, and the transaction is not empty. */
enum error dht_message_write(enum dht_dialect dialect,
                             const struct dht_message *m, uint8_t *buf,
                             size_t cap, size_t *len);

/* "ping", "find_node", ... and "unknown". */
const char *dht_method_name(enum dht_method m);

#endif
