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

/* Which parameters there are. */
#define RPC_ADDRESS   (UINT64_C(1) << 0)
#define RPC_TARGET    (UINT64_C(1) << 1)
#define RPC_PORT      (UINT64_C(1) << 2)
#define RPC_VALUE     (UINT64_C(1) << 3)
#define RPC_KEY       (UINT64_C(1) << 4)
#define RPC_SIGNATURE (UINT64_C(1) << 5)
#define RPC_SEQ       (UINT64_C(1) << 6)
#define RPC_CAS       (UINT64_C(1) << 7)
#define RPC_SALT      (UINT64_C(1) << 8)
#define RPC_TRACE     (UINT64_C(1) << 9)
#define RPC_STREAM    (UINT64_C(1) << 10)
#define RPC_HOPS      (UINT64_C(1) << 11)
#define RPC_COUNT     (UINT64_C(1) << 12)
#define RPC_CIRCUIT   (UINT64_C(1) << 13)
#define RPC_TO        (UINT64_C(1) << 14)
#define RPC_DATA      (UINT64_C(1) << 15)
#define RPC_TIMEOUT   (UINT64_C(1) << 16)
#define RPC_DURATION  (UINT64_C(1) << 17)
#define RPC_AFTER     (UINT64_C(1) << 18)
#define RPC_NAME      (UINT64_C(1) << 19)
#define RPC_LABEL     (UINT64_C(1) << 20)
#define RPC_SERVICE   (UINT64_C(1) << 21)
#define RPC_ACCESS    (UINT64_C(1) << 22)
#define RPC_LINE      (UINT64_C(1) << 23)
#define RPC_WAIT      (UINT64_C(1) << 24)
#define RPC_KINDS     (UINT64_C(1) << 25)
#define RPC_TYPE      (UINT64_C(1) << 26)
#define RPC_CALL      (UINT64_C(1) << 27)
#define RPC_CREDIT    (UINT64_C(1) << 28)
#define RPC_ISOLATION (UINT64_C(1) << 29)
#define RPC_VISIT     (UINT64_C(1) << 30)
#define RPC_HASH      (UINT64_C(1) << 31)
#define RPC_MAINLINE  (UINT64_C(1) << 32)
#define RPC_SEED      (UINT64_C(1) << 33)
#define RPC_NO_SEEDS  (UINT64_C(1) << 34)

#define RPC_TIMEOUT_DEFAULT  (30 * TIME_S)
#define RPC_DURATION_DEFAULT (5 * TIME_S)

struct rpc_params {
    uint64_t has; /* RPC_... */
    struct endpoint address;
    struct id target; /* of RPC_TARGET, an id, or of RPC_HASH, an info-hash */
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
    bool mainline; /* the mainline DHT, not that of our network */
    bool seed, no_seeds;
};

/* Reads the map at `r` (or nothing, at its end). ERR_SYNTAX, and `why` gets a
 * sentence: a parameter that is not among `allowed`, one of `required` that is
 * absent, a value that is not right. */
enum error rpc_params_read(struct mp_reader *r, uint64_t required,
                           uint64_t allowed, struct rpc_params *out,
                           struct text *why);

#endif
