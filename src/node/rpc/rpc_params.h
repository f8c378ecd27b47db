/* SPDX-License-Identifier: MIT
 *
 * The parameters of all methods, read in one place.
 */
#ifndef WARREN_NODE_RPC_RPC_PARAMS_H
#define WARREN_NODE_RPC_RPC_PARAMS_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "wire/item/value.h"
#include "wire/msgpack/mp_reader.h"

#include <stdbool.h>
#include <stdint.h>

enum rpc_param {
    RPC_ADDRESS = 1 << 0,
    RPC_TARGET = 1 << 1,
    RPC_PORT = 1 << 2,
    RPC_VALUE = 1 << 3,
    RPC_KEY = 1 << 4,
    RPC_SIGNATURE = 1 << 5,
    RPC_SEQ = 1 << 6,
    RPC_CAS = 1 << 7,
    RPC_SALT = 1 << 8,
    RPC_TRACE = 1 << 9,
    RPC_STREAM = 1 << 10,
    RPC_HOPS = 1 << 11,
    RPC_COUNT = 1 << 12,
    RPC_CIRCUIT = 1 << 13,
    RPC_TO = 1 << 14,
    RPC_DATA = 1 << 15,
    RPC_TIMEOUT = 1 << 16,
    RPC_DURATION = 1 << 17,
    RPC_AFTER = 1 << 18,
    RPC_NAME = 1 << 19,
    RPC_LABEL = 1 << 20,
    RPC_SERVICE = 1 << 21,
    RPC_ACCESS = 1 << 22,
    RPC_LINE = 1 << 23,
    RPC_WAIT = 1 << 24,
    RPC_KINDS = 1 << 25,
    RPC_TYPE = 1 << 26,
    RPC_CALL = 1 << 27,
    RPC_CREDIT = 1 << 28,
    RPC_ISOLATION = 1 << 29,
    RPC_VISIT = 1 << 30
};

#define RPC_TIMEOUT_DEFAULT  (30 * TIME_S)
#define RPC_DURATION_DEFAULT (5 * TIME_S)

struct rpc_params {
    uint32_t has; /* enum rpc_param */
    struct endpoint address;
    struct id target;
    uint16_t port;
    struct value value;
    uint8_t key[32];
    uint8_t signature[64];
    uint8_t after[32];
    int64_t seq;
    int64_t cas;
    struct bytes salt; /* a view of the request */
    bool trace;
    bool stream;
    unsigned hops, count;
    uint32_t circuit;
    struct bytes to, data;      /* views of the request */
    uint64_t timeout, duration; /* ns; on the wire ms */
    char name[32], label[32];   /* of a service; of an access secret */
    struct bytes service, line; /* a string or an address; a key as text */
    uint8_t access[32];
    bool wait;
    struct bytes kinds, type; /* views of the request */
    uint32_t call;            /* the msgid of another request */
    uint64_t credit;          /* bytes */
    uint64_t isolation;       /* a number, or made from a text */
    uint64_t visit;
};

/* Reads the map at `r` (or nothing, at its end). ERR_SYNTAX, and `why` gets a
 * sentence: a parameter that is not among `allowed`, one of `required` that is
 * absent, a value that is not right. */
enum error rpc_params_read(struct mp_reader *r, uint32_t required,
                           uint32_t allowed, struct rpc_params *out,
                           struct text *why);

#endif
