/* SPDX-License-Identifier: MIT
 *
 * The layout of the DHT's messages: the one place that knows a key's name,
 * encoding and limits. A new key is a row here, a member and a bit of enum
 * dht_field in dht_message.h, and one more in the number of rows
 * (dht_message_fields.h). A new method is a row, and one of enum dht_method.
 */
#include "wire/krpc/dht_message_fields.h"

#include <assert.h>
#include <string.h>

#define KEY(name)  name, sizeof(name) - 1
#define AT(member) .offset = (uint16_t)offsetof(struct dht_message, member)

/* clang-format off */
const struct field dht_message_top[DHT_TOP_FIELDS] = {
    {KEY("a"), FIELD_BODY, IN_QUERY, .has = 0},
    {KEY("e"), FIELD_ERROR, IN_ERROR, .has = 0},
    {KEY("ip"), FIELD_ENDPOINT, IN_RESPONSE | IN_ERROR,
     AT(ip), .has = DHT_HAS_IP},
    {KEY("n"), FIELD_NETWORK, IN_ALL, 1, DHT_NETWORK_MAX, AT(network)},
    {KEY("q"), FIELD_METHOD, IN_QUERY, AT(method)},
    {KEY("r"), FIELD_BODY, IN_RESPONSE, .has = 0},
    {KEY("ro"), FIELD_FLAG, IN_QUERY, AT(read_only)},
    {KEY("t"), FIELD_BYTES, IN_ALL, 1, DHT_TRANSACTION_MAX, AT(transaction)},
    {KEY("v"), FIELD_UNITS, IN_ALL, 1, DHT_VERSION_MAX, AT(version)},
    {KEY("y"), FIELD_KIND, IN_ALL, AT(kind)},
};

#define IN_BOTH (IN_QUERY | IN_RESPONSE)

const struct field dht_message_body[DHT_BODY_FIELDS] = {
    {KEY("BFpe"), FIELD_FIXED, IN_RESPONSE, DHT_BLOOM_BYTES,
     AT(peer_bloom), .has = DHT_HAS_PEER_BLOOM},
    {KEY("BFsd"), FIELD_FIXED, IN_RESPONSE, DHT_BLOOM_BYTES,
     AT(seed_bloom), .has = DHT_HAS_SEED_BLOOM},
    {KEY("cas"), FIELD_INT64, IN_QUERY, AT(cas), .has = DHT_HAS_CAS},
    {KEY("id"), FIELD_ID, IN_BOTH, AT(id), .has = DHT_HAS_ID},
    {KEY("implied_port"), FIELD_FLAG, IN_QUERY, AT(implied_port)},
    {KEY("info_hash"), FIELD_INFO_HASH, IN_QUERY,
     AT(target), .has = DHT_HAS_TARGET},
    {KEY("interval"), FIELD_UINT32, IN_RESPONSE, 0, DHT_INTERVAL_MAX,
     AT(interval), .has = DHT_HAS_INTERVAL},
    {KEY("k"), FIELD_FIXED, IN_BOTH, DHT_KEY_BYTES,
     AT(key), .has = DHT_HAS_KEY},
    {KEY("nodes"), FIELD_UNITS, IN_RESPONSE, COMPACT_NODE4,
     COMPACT_NODE4 * DHT_NODES_MAX, AT(nodes), .has = DHT_HAS_NODES},
    {KEY("nodes6"), FIELD_UNITS, IN_RESPONSE, COMPACT_NODE6,
     COMPACT_NODE6 * DHT_NODES_MAX, AT(nodes6), .has = DHT_HAS_NODES6},
    {KEY("noseed"), FIELD_FLAG, IN_QUERY, AT(no_seed)},
    {KEY("num"), FIELD_UINT32, IN_RESPONSE, AT(num), .has = DHT_HAS_NUM},
    {KEY("pad"), FIELD_BYTES, IN_QUERY, 0, DHT_MESSAGE_MAX, AT(padding)},
    {KEY("port"), FIELD_UINT16, IN_QUERY, AT(port), .has = DHT_HAS_PORT},
    {KEY("salt"), FIELD_SALT, IN_QUERY, 0, DHT_SALT_MAX,
     AT(salt), .has = DHT_HAS_SALT},
    {KEY("samples"), FIELD_UNITS, IN_RESPONSE, ID_BYTES,
     ID_BYTES * DHT_SAMPLES_MAX, AT(samples), .has = DHT_HAS_SAMPLES},
    {KEY("scrape"), FIELD_FLAG, IN_QUERY, AT(scrape)},
    {KEY("seed"), FIELD_FLAG, IN_QUERY, AT(seed)},
    {KEY("seq"), FIELD_INT64, IN_BOTH, AT(seq), .has = DHT_HAS_SEQ},
    {KEY("sig"), FIELD_FIXED, IN_BOTH, DHT_SIGNATURE_BYTES,
     AT(signature), .has = DHT_HAS_SIGNATURE},
    {KEY("target"), FIELD_TARGET, IN_QUERY,
     AT(target), .has = DHT_HAS_TARGET},
    {KEY("token"), FIELD_BYTES, IN_BOTH, 1, DHT_TOKEN_MAX,
     AT(token), .has = DHT_HAS_TOKEN},
    {KEY("v"), FIELD_VALUE, IN_BOTH, AT(value), .has = DHT_HAS_VALUE},
    {KEY("values"), FIELD_PEERS, IN_RESPONSE,
     AT(values), .has = DHT_HAS_VALUES},
    {KEY("want"), FIELD_WANT, IN_QUERY, AT(want), .has = DHT_HAS_WANT},
};

const struct method dht_message_methods[DHT_METHODS] = {
    [DHT_PING] = {KEY("ping"), DHT_HAS_ID},
    [DHT_FIND_NODE] = {KEY("find_node"), DHT_HAS_ID | DHT_HAS_TARGET},
    [DHT_GET_PEERS] = {KEY("get_peers"), DHT_HAS_ID | DHT_HAS_TARGET},
    [DHT_ANNOUNCE_PEER] = {KEY("announce_peer"),
                           DHT_HAS_ID | DHT_HAS_TARGET | DHT_HAS_TOKEN},
    [DHT_GET] = {KEY("get"), DHT_HAS_ID | DHT_HAS_TARGET},
    [DHT_PUT] = {KEY("put"), DHT_HAS_ID | DHT_HAS_TOKEN | DHT_HAS_VALUE},
    [DHT_SAMPLE_INFOHASHES] = {KEY("sample_infohashes"),
                               DHT_HAS_ID | DHT_HAS_TARGET},
    [DHT_UNKNOWN_METHOD] = {KEY("unknown"), DHT_HAS_ID | DHT_HAS_TARGET},
};
/* clang-format on */

void dht_message_init(struct dht_message *m, enum dht_kind kind)
{
    memset(m, 0, offsetof(struct dht_message, values));
    m->kind = kind;
    m->value.len = 0;
}

const char *dht_method_name(enum dht_method m)
{
    assert(m >= 0 && m < DHT_METHODS);
    return dht_message_methods[m].name;
}
