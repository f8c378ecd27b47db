/* SPDX-License-Identifier: MIT
 *
 * The layout of the DHT's messages as tables, shared by their reader and
 * writer alone. See dht_message.h.
 */
#ifndef WARREN_WIRE_KRPC_DHT_MESSAGE_FIELDS_H
#define WARREN_WIRE_KRPC_DHT_MESSAGE_FIELDS_H

#include "wire/krpc/dht_message.h"

#include <stddef.h>
#include <stdint.h>

/* How a field is encoded, and the type of its member of the message. */
enum field_type {
    FIELD_BYTES,     /* struct bytes: min..max bytes */
    FIELD_NETWORK,   /* the same, as str, and "main" is nothing */
    FIELD_SALT,      /* the same, with an error of its own */
    FIELD_UNITS,     /* struct bytes: multiple of min, cut at max */
    FIELD_FIXED,     /* const uint8_t *: exactly min bytes */
    FIELD_ID,        /* struct id */
    FIELD_TARGET,    /* the same, in queries that name it target */
    FIELD_INFO_HASH, /* the same, in queries that name it info_hash */
    FIELD_UINT16,    /* uint16_t */
    FIELD_UINT32,    /* uint32_t: 0..max, any when max is 0 */
    FIELD_INT64,     /* int64_t */
    FIELD_FLAG,      /* bool: an integer, true when not 0 */
    FIELD_ENDPOINT,  /* struct endpoint, compact */
    FIELD_PEERS,     /* values: array of compact endpoints */
    FIELD_WANT,      /* want: array of "n4", "n6" */
    FIELD_VALUE,     /* struct value */
    FIELD_METHOD,    /* enum dht_method, by name */
    FIELD_KIND,      /* enum dht_kind, by letter */
    FIELD_ERROR,     /* error_code, error_text: array of both */
    FIELD_BODY       /* map of dht_message_body */
};

/* Kinds of message that carry a field. */
enum field_kinds {
    IN_QUERY = 1 << DHT_QUERY,
    IN_RESPONSE = 1 << DHT_RESPONSE,
    IN_ERROR = 1 << DHT_ERROR,
    IN_ALL = IN_QUERY | IN_RESPONSE | IN_ERROR
};

struct field {
    char key[13];
    uint8_t key_len;
    uint8_t type;  /* enum field_type */
    uint8_t kinds; /* enum field_kinds */
    uint16_t min;
    uint16_t max;
    uint16_t offset; /* of the member in struct dht_message */
    uint32_t has;    /* enum dht_field; 0: there when not empty or false */
};

#define DHT_TOP_FIELDS  10
#define DHT_BODY_FIELDS 25

/* In ascending order of keys. */
extern const struct field dht_message_top[DHT_TOP_FIELDS];
extern const struct field dht_message_body[DHT_BODY_FIELDS];

struct method {
    const char *name;
    uint8_t name_len;
    uint32_t required; /* of a query: enum dht_field */
};

extern const struct method dht_message_methods[DHT_METHODS];

static inline struct bytes dht_message_method_name(enum dht_method m)
{
    return bytes_of(dht_message_methods[m].name,
                    dht_message_methods[m].name_len);
}

/* FIELD_INFO_HASH or FIELD_TARGET. */
static inline enum field_type dht_message_target_field(enum dht_method m)
{
    return m == DHT_GET_PEERS || m == DHT_ANNOUNCE_PEER ? FIELD_INFO_HASH
                                                        : FIELD_TARGET;
}

#endif
